//! `GET /v1/traffic`, `/v1/traffic/{id}`: what was asked and answered.

use std::ops::RangeInclusive;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::{
    ModelVersion, Sha256,
    traffic::{RecordedBody, Shortened, TrafficRecord},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use storage::traffic::{BodyLimit, TrafficFilter};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type, schema::SchemaType},
};
use uuid::Uuid;

use super::{
    list::{Answer, Filter, List, ListJson, Listed, Part, Times, during, list},
    runs::small,
};
use crate::{
    access::Operator,
    base64::base64,
    input::{Faults, Params, Query, Segment, canonical, digits},
    problem::Problem,
    service::App,
};

/// In lists, a body with more bytes is told by its digest.
const LISTED_BODY_BYTES: u32 = 4096;
const STATUSES: RangeInclusive<u16> = 100..=599;
/// An example of a digest.
const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

impl Filter for TrafficFilter {
    const NAMES: &'static [&'static str] = &["since", "until", "path", "status", "model_version"];

    fn is_cursor(text: &str) -> bool {
        text.parse::<Uuid>().is_ok()
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        let during = during(query, faults);
        // No path holds U+0000, and Postgres would refuse to look for one.
        let path = |text: &str| (!text.contains('\0')).then(|| text.to_owned());
        let path = query.optional("path", "a path, such as /v1/predictions", path, faults);
        let status = |text: &str| u16::try_from(digits(text)?).ok();
        let status = |text: &str| status(text).filter(|status| STATUSES.contains(status));
        let status = query.optional("status", "an HTTP status from 100 to 599", status, faults);
        let version = |text: &str| ModelVersion::try_from(small(text)?).ok();
        let model_version = query.optional("model_version", "a model version, such as 3", version, faults);
        let during = during?;
        Some(Self {
            since: during.since,
            until: during.until,
            path: path?,
            status: status?,
            model_version: model_version?,
        })
    }
}

/// One request and its response.
#[derive(Serialize, ToSchema)]
pub(crate) struct Record {
    /// The response's `x-request-id`.
    #[schema(example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")]
    id: Uuid,
    #[schema(example = "2026-01-31T12:00:00Z")]
    at: DateTime<Utc>,
    #[schema(example = "POST")]
    method: String,
    #[schema(example = "/v1/predictions")]
    path: String,
    #[schema(example = "explain=true")]
    query: Option<String>,
    #[schema(example = 200)]
    status: u16,
    /// Microseconds from the request's head to the finished answer.
    #[schema(example = 1736)]
    duration_us: u64,
    #[schema(example = 3)]
    model_version: Option<i64>,
    #[schema(example = "0198c2ee-7d02-7b6a-a3a1-90c55e0b7a1f")]
    key_id: Option<Uuid>,
    /// The client's address.
    #[schema(example = "127.0.0.1")]
    client: Option<String>,
    /// Chosen headers; never keys.
    #[schema(value_type = BTreeMap<String, String>, example = json!({"content-type": "application/json"}))]
    request_headers: Value,
    #[schema(schema_with = request_body)]
    request_body: Value,
    #[schema(schema_with = response_body)]
    response_body: Value,
    /// Texts of the request's head of which only the beginning is kept; none as a rule.
    shortened: Vec<ShortenedText>,
    /// How many more requests this record stands for: those of its address that were refused for their rate.
    #[schema(example = 0)]
    repeats: u32,
}

/// A text of a request's head that is not kept whole.
#[derive(Serialize, ToSchema)]
struct ShortenedText {
    /// `method`, `path`, `query`, or `request_headers.NAME`.
    #[schema(example = "query")]
    field: String,
    /// Of the whole text, without its secrets.
    #[schema(value_type = String, example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")]
    sha256: Sha256,
    /// How many bytes the whole text has, without its secrets.
    #[schema(example = 20480)]
    bytes: u64,
}

impl From<Shortened> for ShortenedText {
    fn from(shortened: Shortened) -> Self {
        Self {
            field: shortened.field.into_owned(),
            sha256: shortened.digest.sha256,
            bytes: shortened.digest.bytes,
        }
    }
}

fn request_body() -> Object {
    recorded_body(json!({"carat": 1.1, "cut": "Ideal", "color": "H", "clarity": "SI2"}).to_string())
}

fn response_body() -> Object {
    recorded_body(json!({"price": 4733.15, "currency": "USD"}).to_string())
}

fn recorded_body(example: String) -> Object {
    let says = "Text where it is valid UTF-8, else `{\"base64\"}`; `{\"sha256\",\"bytes\"}` where it is not kept, \
        with `\"kept\"` where a part of it is.";
    let part = |kind: Type| ObjectBuilder::new().schema_type(kind);
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Object]))
        .description(Some(says))
        .property("base64", part(Type::String).examples(["/wA="]))
        .property("sha256", part(Type::String).examples([SHA256]))
        .property("bytes", part(Type::Integer).examples([20480]))
        .property(
            "kept",
            ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::String, Type::Object]))
                .examples(["{\"diamonds\":"]),
        )
        .examples([example])
        .build()
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
            client: record.client.as_deref().map(str::to_owned),
            request_headers: Value::Object(headers),
            request_body: body(&record.request_body),
            response_body: body(&record.response_body),
            shortened: record.shortened.into_iter().map(Into::into).collect(),
            repeats: record.repeats,
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
    params(("path" = Option<String>, Query, description = "Only requests of exactly this path.", pattern = r"^[^\x00]*$", example = "/v1/predictions"),
        ("status" = Option<u16>, Query, description = "Only answers with this status.", minimum = 100, maximum = 599, example = 200),
        ("model_version" = Option<u32>, Query, description = "Only answers of this model.", minimum = 1, example = 3), Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")),
    security(("operator_key" = [])), responses((status = 200, description = "Newest first", body = List<Record>)))]
pub(crate) async fn traffic(
    State(app): State<App>,
    _: Operator,
    Params(Listed(filter, page)): Params<Listed<TrafficFilter>>,
) -> Result<ListJson, Problem> {
    let bodies = BodyLimit::Bytes(LISTED_BODY_BYTES);
    let (registry, filter) = (app.registry()?, &filter);
    list(page, |page| async move {
        let records = registry.traffic(filter, &page, bodies).await?;
        Ok(records.map(|record| (record.id.to_string(), Record::from(record))))
    })
    .await
}

/// Show one request and its response
///
/// With both bodies as they went over the wire, as far as they are kept.
#[utoipa::path(get, path = "/v1/traffic/{id}", tag = "operators", operation_id = "trafficRecord",
    params(("id" = Uuid, Path, description = "The answer's `x-request-id`.", example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")),
    security(("operator_key" = [])), responses((status = 200, description = "The record", body = Record)))]
pub(crate) async fn record(
    State(app): State<App>,
    _: Operator,
    Segment(id): Segment,
    Params(()): Params<()>,
) -> Answer<Record> {
    let missing = || Problem::not_found("such record; it may wait in a spool until Postgres is back");
    let id = canonical(&id).ok_or_else(missing)?;
    let record = app.registry()?.traffic_record(id).await?;
    record.map(|it| Json(it.into())).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::traffic::BodyDigest;

    use super::*;
    use crate::input::query;

    #[test]
    fn a_path_and_a_status_that_no_record_can_have_are_refused() {
        for wrong in ["path=%00", "status=99", "status=600", "status=2xx"] {
            assert!(query::<Listed<TrafficFilter>>(wrong).is_err(), "{wrong}");
        }
        assert!(query::<Listed<TrafficFilter>>("path=/v1/models&status=599").is_ok());
    }

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
