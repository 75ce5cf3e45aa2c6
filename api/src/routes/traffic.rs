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
use serde::Serialize;
use serde_json::{Map, Value, json};
use storage::traffic::{BodyLimit, TrafficFilter};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    list::{Answer, Filter, List, Listed, Part, Times, during, list},
    runs::small,
};
use crate::{
    access::Operator,
    base64::base64,
    input::{Faults, Params, Query, digits},
    problem::Problem,
    service::App,
};

/// In lists, a body with more bytes is told by its digest.
const LISTED_BODY_BYTES: u32 = 4096;

impl Filter for TrafficFilter {
    const NAMES: &'static [&'static str] = &["since", "until", "path", "status", "model_version"];

    fn is_cursor(text: &str) -> bool {
        text.parse::<Uuid>().is_ok()
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        let during = during(query, faults);
        let status = |text: &str| digits(text).and_then(|number| u16::try_from(number).ok());
        let status = query.optional("status", "an HTTP status, such as 200", status, faults);
        let version = |text: &str| ModelVersion::try_from(small(text)?).ok();
        let model_version = query.optional("model_version", "a model version, such as 3", version, faults);
        let during = during?;
        Some(Self {
            since: during.since,
            until: during.until,
            path: query.get("path").map(ToOwned::to_owned),
            status: status?,
            model_version: model_version?,
        })
    }
}

/// One request and its response.
#[derive(Serialize, ToSchema)]
pub(crate) struct Record {
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

/// List traffic
///
/// Requests and responses, the newest first. Large bodies are told by their digest: ask for the record to have them.
#[utoipa::path(get, path = "/v1/traffic", tag = "operators", operation_id = "traffic",
    params(("path" = Option<String>, Query, description = "Only requests of exactly this path.", example = "/v1/predictions"),
        ("status" = Option<u16>, Query, description = "Only answers with this status.", minimum = 100, maximum = 599, example = 200),
        ("model_version" = Option<u32>, Query, description = "Only answers of this model.", minimum = 1, example = 3), Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")),
    security(("operator_key" = [])), responses((status = 200, description = "Newest first", body = List<Record>)))]
pub(crate) async fn traffic(
    State(app): State<App>,
    _: Operator,
    Params(Listed(filter, page)): Params<Listed<TrafficFilter>>,
) -> Answer<List<Record>> {
    let bodies = BodyLimit::Bytes(LISTED_BODY_BYTES);
    let records = app.registry()?.traffic(&filter, &page, bodies).await?;
    Ok(list(records.map(Record::from)))
}

/// Show one request and its response
///
/// With both bodies as they went over the wire.
#[utoipa::path(get, path = "/v1/traffic/{id}", tag = "operators", operation_id = "trafficRecord",
    params(("id" = Uuid, Path, description = "The answer's `x-request-id`.", example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")),
    security(("operator_key" = [])), responses((status = 200, description = "The record", body = Record)))]
pub(crate) async fn record(
    State(app): State<App>,
    _: Operator,
    Path(id): Path<String>,
    Params(()): Params<()>,
) -> Answer<Record> {
    let missing = || Problem::not_found("such record; it may wait in a spool until Postgres is back");
    let id = id.parse().map_err(|_| missing())?;
    let record = app.registry()?.traffic_record(id).await?;
    record.map(|it| Json(it.into())).ok_or_else(missing)
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
