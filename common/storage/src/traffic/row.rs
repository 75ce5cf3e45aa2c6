//! Records as rows of the table.

use std::borrow::Cow;

use bytes::Bytes;
use domain::{
    Sha256,
    traffic::{BodyDigest, RecordedBody, TrafficRecord},
};
use serde::{Serializer as _, ser::SerializeMap as _};
use serde_json::Value;

use crate::{StorageError, entity::traffic};

/// Headers as a JSON object.
pub(super) fn headers_json(headers: &[(Cow<'static, str>, String)]) -> String {
    let mut text = Vec::with_capacity(128);
    let mut json = serde_json::Serializer::new(&mut text);
    // Writing texts into memory does not fail; an empty object would be the least harm.
    let written = json.serialize_map(Some(headers.len())).and_then(|mut map| {
        for (name, value) in headers {
            map.serialize_entry(name, value)?;
        }
        map.end()
    });
    match (written, String::from_utf8(text)) {
        (Ok(()), Ok(text)) => text,
        _ => "{}".to_owned(),
    }
}

/// 32 bytes of SHA-256, then the length as eight bytes, the highest first.
pub(super) fn digest_bytes(digest: &BodyDigest) -> Vec<u8> {
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
        client: row.client,
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
