//! Records as rows of the table.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use domain::{
    Sha256,
    traffic::{BodyDigest, RecordedBody, Shortened, TrafficRecord},
};
use sea_orm::sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, types::PgRecordEncoder},
};
use serde_json::Value;
use uuid::Uuid;

use super::slot::Seen;
use crate::{StorageError, entity::traffic};

/// A record as Postgres' composite type `traffic_entry_v2`.
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

    /// Hardly ever less than what it takes on the way to Postgres.
    pub(super) fn most_bytes(&self) -> usize {
        let record = self.record;
        let bodies = record.request_body.bytes.len() + record.response_body.bytes.len();
        bodies + record.path.len() + USUAL_BYTES
    }
}

/// Of all but bodies and path: fixed columns, the length and type of each, some headers.
const USUAL_BYTES: usize = 512;

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
        PgTypeInfo::with_name("traffic_entry_v2")
    }
}

impl PgHasArrayType for Row<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("traffic_entry_v2")
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
            .encode(None::<Value>)?
            .encode(&record.request_body.bytes[..])?
            .encode(&record.response_body.bytes[..])?
            .encode(record.key_id)?
            .encode(record.request_body.digest.as_ref().map(digest_bytes))?
            .encode(record.response_body.digest.as_ref().map(digest_bytes))?
            .encode(self.model_repeated)?
            .encode(Headers(&record.request_headers))?
            .encode(shortened_lines(&record.shortened))?
            .encode((record.repeats > 0).then_some(record.repeats.min(i32::MAX as u32).cast_signed()))?;
        fields.finish();
        Ok(IsNull::No)
    }
}

/// Headers as a record keeps them: a line for each, `name: value`. What HTTP lets into a value has no line of its own.
struct Headers<'h>(&'h [(Cow<'static, str>, String)]);

impl Type<Postgres> for Headers<'_> {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Headers<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let parts = [if place == 0 { "" } else { "\n" }, name, BETWEEN, value];
            parts
                .iter()
                .for_each(|part| buffer.extend_from_slice(part.as_bytes()));
        }
        Ok(IsNull::No)
    }
}

/// Between a header's name and its value.
const BETWEEN: &str = ": ";

/// A line for each, `name sha256 bytes`; none as a rule.
fn shortened_lines(shortened: &[Shortened]) -> Option<String> {
    let line = |it: &Shortened| format!("{} {} {}", it.field, it.digest.sha256, it.digest.bytes);
    let lines: Vec<_> = shortened.iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn shortened_of(lines: &str) -> Vec<Shortened> {
    let read = |line: &str| {
        let mut parts = line.split(' ');
        let (field, sha256, bytes) = (parts.next()?, parts.next()?, parts.next()?);
        let (sha256, bytes) = (sha256.parse().ok()?, bytes.parse().ok()?);
        Some(Shortened {
            field: field.to_owned().into(),
            digest: BodyDigest { sha256, bytes },
        })
    };
    lines.split('\n').filter_map(read).collect()
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
        request_headers: headers_of(row.headers.as_deref(), row.request_headers),
        request_body: body(row.request_body, row.request_digest.as_deref()),
        response_body: body(row.response_body, row.response_digest.as_deref()),
        shortened: row.shortened.as_deref().map_or(Vec::new(), shortened_of),
        repeats: row.repeats.and_then(|it| it.try_into().ok()).unwrap_or(0),
    })
}

/// From lines; or from an object, as records were kept before.
fn headers_of(lines: Option<&str>, object: Option<Value>) -> Vec<(Cow<'static, str>, String)> {
    match (lines, object) {
        (Some(lines), _) => lines
            .split('\n')
            .filter_map(|line| line.split_once(BETWEEN))
            .map(|(name, value)| (name.to_owned().into(), value.to_owned()))
            .collect(),
        (None, Some(Value::Object(map))) => map
            .into_iter()
            .filter_map(|(name, value)| Some((name.into(), value.as_str()?.to_owned())))
            .collect(),
        (None, _) => Vec::new(),
    }
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
    fn headers_read_back_from_lines() {
        let [accept, agent] = [("accept", "*/*"), ("user-agent", "a: \"b\"\t")];
        let headers = [accept, agent].map(|(name, value)| (name.into(), value.to_owned()));
        for headers in [&headers[..], &headers[..1], &[]] {
            let mut lines = PgArgumentBuffer::default();
            assert!(matches!(
                Headers(headers).encode_by_ref(&mut lines),
                Ok(IsNull::No)
            ));
            let lines = str::from_utf8(&lines).unwrap();
            assert_eq!(headers_of(Some(lines), None), headers, "{lines:?}");
        }
    }

    #[test]
    fn headers_of_older_records_are_read_from_their_object() {
        let object = serde_json::json!({"accept": "*/*"});
        assert_eq!(
            headers_of(None, Some(object)),
            [("accept".into(), "*/*".to_owned())]
        );
        assert_eq!(headers_of(None, None), []);
    }

    #[test]
    fn what_was_shortened_reads_back_from_lines() {
        let shortened = |field: &'static str| Shortened {
            field: field.into(),
            digest: BodyDigest::of(field.as_bytes()),
        };
        let both = [shortened("query"), shortened("request_headers.user-agent")];
        assert_eq!(shortened_of(&shortened_lines(&both).unwrap()), both);
        assert_eq!(shortened_lines(&[]), None);
    }

    #[test]
    fn a_digest_reads_back() {
        let digest = BodyDigest::of(b"abc");
        assert_eq!(digest_of(&digest_bytes(&digest)), Some(digest));
        assert_eq!(digest_of(&[0; 39]), None);
    }
}
