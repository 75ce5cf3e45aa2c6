//! Records as rows of the table.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use domain::{
    Sha256,
    traffic::{BodyDigest, RecordedBody, TrafficRecord},
};
use sea_orm::sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, types::PgRecordEncoder},
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::slot::Seen;
use crate::{StorageError, entity::traffic};

/// A record as Postgres' composite type `traffic_row`.
pub(super) struct Row<'r> {
    record: &'r TrafficRecord,
    /// Whether one before it in the same transaction is found in its place ([`super::slot`]).
    model_repeated: bool,
}

impl Row<'_> {
    /// The record's identity.
    pub(super) fn id(&self) -> Uuid {
        self.record.id
    }
}

/// Records as the rows of one transaction.
pub(super) fn rows<'r>(records: &[&'r TrafficRecord]) -> Vec<Row<'r>> {
    let mut seen = Seen::default();
    let row = |record: &&'r TrafficRecord| Row {
        record,
        model_repeated: seen.repeats(record),
    };
    records.iter().map(row).collect()
}

impl Type<Postgres> for Row<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("traffic_row")
    }
}

impl PgHasArrayType for Row<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("traffic_row")
    }
}

impl Encode<'_, Postgres> for Row<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let record = self.record;
        let mut fields = PgRecordEncoder::new(buffer);
        fields
            .encode(record.id)?
            .encode(record.at)?
            .encode(&*record.method)?
            .encode(&*record.path)?
            .encode(record.query.as_deref())?
            .encode(record.status.cast_signed())?
            .encode(record.duration_us.cast_signed())?
            .encode(record.model_version.map(i64::from))?
            .encode(record.client.as_deref())?
            .encode(Headers(&record.request_headers))?
            .encode(&record.request_body.bytes[..])?
            .encode(&record.response_body.bytes[..])?
            .encode(record.key_id)?
            .encode(record.request_body.digest.as_ref().map(digest_bytes))?
            .encode(record.response_body.digest.as_ref().map(digest_bytes))?
            .encode(self.model_repeated)?;
        fields.finish();
        Ok(IsNull::No)
    }
}

/// Headers as a JSON object.
struct Headers<'h>(&'h [(Cow<'static, str>, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Type<Postgres> for Headers<'_> {
    fn type_info() -> PgTypeInfo {
        <Value as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Headers<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        // The version of jsonb's binary form, before its text.
        buffer.push(1);
        serde_json::to_writer(&mut **buffer, self)?;
        Ok(IsNull::No)
    }
}

/// Headers as a JSON object; writing texts into memory does not fail, and an empty object would be the least harm.
pub(super) fn headers_json(headers: &[(Cow<'static, str>, String)]) -> String {
    serde_json::to_string(&Headers(headers)).unwrap_or_else(|_| "{}".to_owned())
}

/// 32 bytes of SHA-256, then the length as eight bytes, the highest first.
fn digest_bytes(digest: &BodyDigest) -> Vec<u8> {
    [&digest.sha256.as_bytes()[..], &digest.bytes.to_be_bytes()].concat()
}

fn digest_of(bytes: &[u8]) -> Option<BodyDigest> {
    let (sha256, length) = bytes.split_at_checked(32)?;
    Some(BodyDigest {
        sha256: Sha256::try_from(sha256).ok()?,
        bytes: u64::from_be_bytes(length.try_into().ok()?),
    })
}

/// The record of a row.
pub(super) fn to_domain(row: traffic::Model) -> Result<TrafficRecord, StorageError> {
    let bad = |reason: &str| StorageError::bad_row("traffic", reason);
    let model_version = row
        .model_version
        .map(TryInto::try_into)
        .transpose()
        .map_err(|error| StorageError::bad_row("traffic", error))?;
    Ok(TrafficRecord {
        id: row.id,
        at: row.at,
        method: row.method.into(),
        path: row.path,
        query: row.query,
        status: u16::try_from(row.status).map_err(|_| bad("a status is no status"))?,
        duration_us: row.duration_us.cast_unsigned(),
        model_version,
        key_id: row.key_id,
        client: row.client.map(Arc::from),
        request_headers: headers_of(row.request_headers),
        request_body: body(row.request_body, row.request_digest.as_deref()),
        response_body: body(row.response_body, row.response_digest.as_deref()),
    })
}

fn headers_of(json: Value) -> Vec<(Cow<'static, str>, String)> {
    let Value::Object(map) = json else {
        return Vec::new();
    };
    map.into_iter()
        .filter_map(|(name, value)| Some((name.into(), value.as_str()?.to_owned())))
        .collect()
}

fn body(bytes: Vec<u8>, digest: Option<&[u8]>) -> RecordedBody {
    RecordedBody {
        bytes: Bytes::from(bytes),
        digest: digest.and_then(digest_of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_an_object_whatever_is_in_them() {
        let headers = [
            ("accept".into(), "*/*".to_owned()),
            ("user-agent".into(), "a\"\\\u{1}".to_owned()),
        ];
        let text = headers_json(&headers);
        assert_eq!(headers_of(serde_json::from_str(&text).unwrap()), headers);
        assert_eq!(headers_json(&[]), "{}");
    }

    #[test]
    fn a_digest_reads_back() {
        let digest = BodyDigest::of(b"abc");
        assert_eq!(digest_of(&digest_bytes(&digest)), Some(digest));
        assert_eq!(digest_of(&[0; 39]), None);
    }
}
