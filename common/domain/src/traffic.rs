//! Traffic records: one request and its response, as they went over the wire.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

use crate::{ModelVersion, Sha256};

/// One request and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficRecord {
    /// Identity (version 7, ordered by time); the response carries it as `x-request-id`.
    pub id: Uuid,
    /// When the request's head had been read.
    pub at: DateTime<Utc>,
    /// HTTP method.
    pub method: Cow<'static, str>,
    /// Path, without the query.
    pub path: String,
    /// Query, without the question mark.
    pub query: Option<String>,
    /// Status of the response.
    pub status: u16,
    /// Time from the request's head to the finished response, in microseconds.
    pub duration_us: u64,
    /// The model that answered, where one did.
    pub model_version: Option<ModelVersion>,
    /// The key that came with the request, where a route asks for one and it is known.
    pub key_id: Option<Uuid>,
    /// The client's address.
    pub client: Option<Arc<str>>,
    /// Chosen request headers, by name; never keys.
    pub request_headers: Vec<(Cow<'static, str>, String)>,
    /// The request's body.
    pub request_body: RecordedBody,
    /// The response's body.
    pub response_body: RecordedBody,
    /// Texts of the head of which only the beginning is kept.
    pub shortened: Vec<Shortened>,
    /// How many more requests this record stands for: refused ones of the same caller, since its record before.
    pub repeats: u32,
}

impl TrafficRecord {
    /// How many requests this record stands for.
    #[must_use]
    pub fn requests(&self) -> u64 {
        1 + u64::from(self.repeats)
    }
}

/// A text of a request's head of which a record keeps only the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortened {
    /// Which: `method`, `path`, `query`, or `request_headers.NAME`.
    pub field: Cow<'static, str>,
    /// Of the whole text, without its secrets.
    pub digest: BodyDigest,
}

/// What a record keeps of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedBody {
    /// The bytes as they went over the wire; or what is kept of them, when there is a digest.
    pub bytes: Bytes,
    /// Of the whole body, when not all of it is kept.
    pub digest: Option<BodyDigest>,
}

/// What tells a body that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest {
    /// Of all its bytes.
    pub sha256: Sha256,
    /// How many they are.
    pub bytes: u64,
}

impl RecordedBody {
    /// Every byte is kept.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self { bytes, digest: None }
    }

    /// At most the first `keep` bytes, with the digest of all of them when there are more.
    #[must_use]
    pub fn prefix(bytes: &Bytes, keep: usize) -> Self {
        let mut body = Self::whole(bytes.clone());
        body.shorten(keep);
        body
    }

    /// Leaves at most the first `keep` bytes, with the digest of all of them when there are more. A text is not cut
    /// within a character.
    pub fn shorten(&mut self, keep: usize) {
        if self.bytes.len() <= keep {
            return;
        }
        self.digest = self.digest.or_else(|| Some(BodyDigest::of(&self.bytes)));
        // A copy: a slice would hold the whole body in memory.
        self.bytes = Bytes::copy_from_slice(beginning(&self.bytes, keep));
    }

    /// Another text in place of what must not be kept.
    #[must_use]
    pub fn replaced(kept: Bytes, original: &[u8]) -> Self {
        Self {
            bytes: kept,
            digest: Some(BodyDigest::of(original)),
        }
    }

    /// The digest alone.
    #[must_use]
    pub fn digest(digest: BodyDigest) -> Self {
        Self {
            bytes: Bytes::new(),
            digest: Some(digest),
        }
    }
}

/// The first `keep` bytes, or up to three fewer where these would end within a character of UTF-8.
fn beginning(bytes: &[u8], keep: usize) -> &[u8] {
    let is_continuation = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut ends = (keep.saturating_sub(3)..=keep).rev();
    let end = ends.find(|at| !is_continuation(at)).unwrap_or(keep);
    bytes.get(..end).unwrap_or(bytes)
}

impl BodyDigest {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: Sha256::of(bytes),
            bytes: bytes.len() as u64,
        }
    }
}

/// An identity of version 7: ordered by the millisecond of `at`, and random beyond.
/// <https://www.rfc-editor.org/rfc/rfc9562#section-5.7>
#[must_use]
pub fn id_at(at: DateTime<Utc>, random: [u8; 10]) -> Uuid {
    Builder::from_unix_timestamp_millis(milliseconds(at), &random).into_uuid()
}

/// The least 128 bits that an identity of this moment or later can have: where a range of ids begins.
#[must_use]
pub fn first_id(at: DateTime<Utc>) -> Uuid {
    Uuid::from_u128(u128::from(milliseconds(at)) << 80)
}

/// Before 1970 there is no traffic.
fn milliseconds(at: DateTime<Utc>) -> u64 {
    u64::try_from(at.timestamp_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_moment_lie_between_it_and_the_next_millisecond() {
        let at = DateTime::from_timestamp_millis(1_780_000_000_123).unwrap();
        let next = at + std::time::Duration::from_millis(1);
        for random in [[0; 10], [255; 10]] {
            let id = id_at(at, random);
            assert_eq!(id.get_version_num(), 7);
            assert!(first_id(at) <= id && id < first_id(next), "{id}");
        }
    }

    #[test]
    fn a_long_body_keeps_its_beginning_and_tells_the_rest_by_its_digest() {
        let body = Bytes::from_static(b"0123456789");
        let kept = RecordedBody::prefix(&body, 4);
        assert_eq!(&kept.bytes[..], b"0123");
        assert_eq!(kept.digest, Some(BodyDigest::of(b"0123456789")));
        assert_eq!(RecordedBody::prefix(&body, 10), RecordedBody::whole(body));
        let text = Bytes::from("12é4");
        assert_eq!(&RecordedBody::prefix(&text, 3).bytes[..], b"12");
        assert_eq!(&RecordedBody::prefix(&text, 4).bytes[..], "12é".as_bytes());
        let zeros = Bytes::from_static(&[0x80; 10]);
        assert_eq!(RecordedBody::prefix(&zeros, 5).bytes.len(), 5);
    }

    #[test]
    fn a_body_that_is_shortened_again_keeps_the_digest_of_the_whole() {
        let body = Bytes::from_static(b"0123456789");
        let mut kept = RecordedBody::prefix(&body, 4);
        kept.shorten(2);
        assert_eq!(&kept.bytes[..], b"01");
        assert_eq!(kept.digest, Some(BodyDigest::of(&body)));
    }
}
