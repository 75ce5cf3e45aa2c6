//! `GET /v1/traffic`, `/v1/traffic/{id}`: what was asked and answered.

use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{DateTime, Utc};
use domain::{
    ModelVersion,
    traffic::{RecordedBody, TrafficRecord},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use storage::traffic::{BodyLimit, TrafficFilter};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::list::{Answer, List, list, page};
use crate::{
    auth::Operator,
    base64::base64,
    problem::{Fault, Params, Problem},
    service::App,
};

/// In lists, a body with more bytes is told by its digest.
const LISTED_BODY_BYTES: u32 = 4096;

/// Which records, and which part of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only requests from this time on (RFC 3339).
    #[param(value_type = Option<String>, example = "2026-01-31T12:00:00Z")]
    since: Option<String>,
    /// Only requests before this time.
    #[param(value_type = Option<String>)]
    until: Option<String>,
    /// Only requests of exactly this path.
    #[param(example = "/v1/predictions")]
    path: Option<String>,
    /// Only answers with this status.
    status: Option<u16>,
    /// Only answers of this model.
    model_version: Option<u32>,
    /// The most items, 1 to 1000; 100 when left out.
    limit: Option<u64>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// One request and its response.
#[derive(Serialize, ToSchema)]
pub(super) struct Record {
    /// The response's `x-request-id`.
    id: Uuid,
    at: DateTime<Utc>,
    #[schema(example = "POST")]
    method: String,
    #[schema(example = "/v1/predictions")]
    path: String,
    query: Option<String>,
    status: u16,
    /// Microseconds from the request's head to the finished answer.
    duration_us: u64,
    model_version: Option<i64>,
    key_id: Option<Uuid>,
    /// The client's address.
    client: Option<String>,
    /// Chosen headers; never keys.
    #[schema(value_type = Object)]
    request_headers: Value,
    /// Text where it is valid UTF-8, else `{"base64"}`; `{"sha256","bytes"}` where it is not kept, with `"kept"`
    /// where a part of it is.
    #[schema(value_type = Object)]
    request_body: Value,
    /// The same of the response.
    #[schema(value_type = Object)]
    response_body: Value,
}

impl From<TrafficRecord> for Record {
    fn from(record: TrafficRecord) -> Self {
        let headers = record.request_headers.into_iter();
        let headers: Map<_, _> = headers
            .map(|(name, value)| (name.into_owned(), Value::from(value)))
            .collect();
        Self {
            id: record.id,
            at: record.at,
            method: record.method.into_owned(),
            path: record.path,
            query: record.query,
            status: record.status,
            duration_us: record.duration_us,
            model_version: record.model_version.map(Into::into),
            key_id: record.key_id,
            client: record.client,
            request_headers: Value::Object(headers),
            request_body: body(&record.request_body),
            response_body: body(&record.response_body),
        }
    }
}

fn body(recorded: &RecordedBody) -> Value {
    let Some(digest) = recorded.digest else {
        return text(&recorded.bytes);
    };
    let mut told = json!({"sha256": digest.sha256, "bytes": digest.bytes});
    if !recorded.bytes.is_empty() {
        told["kept"] = text(&recorded.bytes);
    }
    told
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({"base64": base64(bytes)}),
    }
}

/// Requests and responses, the newest first. Large bodies are told by their digest: ask for the record to have them.
#[utoipa::path(get, path = "/v1/traffic", params(Wanted), security(("operator_key" = [])), responses(
    (status = 200, body = List<Record>), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 422, body = Problem)))]
pub(super) async fn traffic(
    State(app): State<App>,
    _: Operator,
    Params(wanted): Params<Wanted>,
) -> Answer<List<Record>> {
    let filter = filter(&wanted)?;
    let page = page(wanted.limit, wanted.cursor);
    let bodies = BodyLimit::Bytes(LISTED_BODY_BYTES);
    let records = app.backend.database.traffic(&filter, &page, bodies).await?;
    Ok(list(records.map(Record::from)))
}

/// One request and its response, with both bodies as they went over the wire.
#[utoipa::path(get, path = "/v1/traffic/{id}", params(("id" = String, Path)), security(("operator_key" = [])), responses(
    (status = 200, body = Record), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem)))]
pub(super) async fn record(State(app): State<App>, _: Operator, Path(id): Path<String>) -> Answer<Record> {
    let missing = || Problem::not_found("such record; it may wait in a spool until Postgres is back");
    let id = id.parse().map_err(|_| missing())?;
    let record = app.backend.database.traffic_record(id).await?;
    record.map(|it| Json(it.into())).ok_or_else(missing)
}

fn filter(wanted: &Wanted) -> Result<TrafficFilter, Problem> {
    let mut faults = Vec::new();
    let filter = TrafficFilter {
        since: time("since", wanted.since.as_deref(), &mut faults),
        until: time("until", wanted.until.as_deref(), &mut faults),
        path: wanted.path.clone(),
        status: wanted.status,
        model_version: version(wanted.model_version, &mut faults),
    };
    if wanted
        .cursor
        .as_deref()
        .is_some_and(|cursor| cursor.parse::<Uuid>().is_err())
    {
        faults.push(fault("cursor", "take the next_cursor of the part before"));
    }
    match faults.is_empty() {
        true => Ok(filter),
        false => Err(Problem::invalid(faults)),
    }
}

fn time(name: &str, text: Option<&str>, faults: &mut Vec<Fault>) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text?);
    parsed
        .map_err(|_| faults.push(fault(name, "a time looks like 2026-01-31T12:00:00Z")))
        .ok()
        .map(Into::into)
}

fn version(number: Option<u32>, faults: &mut Vec<Fault>) -> Option<ModelVersion> {
    ModelVersion::try_from(i64::from(number?))
        .map_err(|error| faults.push(fault("model_version", &error.to_string())))
        .ok()
}

fn fault(pointer: &str, detail: &str) -> Fault {
    Fault {
        pointer: pointer.to_owned(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::traffic::BodyDigest;

    use super::*;

    #[test]
    fn a_body_is_text_or_base64_or_its_digest_and_what_is_kept() {
        let whole = |bytes: &'static [u8]| body(&RecordedBody::whole(Bytes::from_static(bytes)));
        assert_eq!(whole("é\0".as_bytes()), json!("é\0"));
        assert_eq!(whole(b"\xff\0"), json!({"base64": "/wA="}));
        let digest = BodyDigest::of(b"abc");
        assert_eq!(
            body(&RecordedBody::digest(digest)),
            json!({"sha256": digest.sha256, "bytes": 3})
        );
        let kept = RecordedBody::prefix(&Bytes::from_static(b"abc"), 2);
        assert_eq!(
            body(&kept),
            json!({"sha256": digest.sha256, "bytes": 3, "kept": "ab"})
        );
    }
}
