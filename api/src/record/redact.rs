//! What a record must not keep: secrets, other records, and what strangers pour in.

use bytes::Bytes;
use domain::traffic::{BodyDigest, RecordedBody, TrafficRecord};

use crate::key;

/// What is kept of the body of a request without a key that was refused.
const PREFIX_BYTES: usize = 256;
/// Answers under this hold records: records of them would hold all of those again.
const OWN: &str = "/v1/traffic";
/// Forms are what people log in with; the API itself takes JSON.
const FORM: &str = "application/x-www-form-urlencoded";
const REDACTED: &[u8] = b"[redacted]";

/// Leaves of a record what is kept.
pub(super) fn redact(record: &mut TrafficRecord) {
    if record.path.starts_with(OWN) {
        record.response_body = RecordedBody::digest(BodyDigest::of(&record.response_body.bytes));
    }
    if matches!(record.status, 401 | 403 | 429) && record.key_id.is_none() {
        record.request_body = RecordedBody::prefix(&record.request_body.bytes, PREFIX_BYTES);
    }
    if is_form(record) && !record.request_body.bytes.is_empty() {
        // Without a digest: what people choose as a password can be guessed by it.
        record.request_body = RecordedBody::whole(Bytes::from_static(REDACTED));
    }
    without_keys(&mut record.request_body);
    without_keys(&mut record.response_body);
}

fn is_form(record: &TrafficRecord) -> bool {
    record
        .request_headers
        .iter()
        .any(|(name, value)| name == "content-type" && value.starts_with(FORM))
}

/// Someone may send a key where it does not belong; then the digest tells that the body was another.
fn without_keys(body: &mut RecordedBody) {
    if !key::holds_a_key(&body.bytes) {
        return;
    }
    let text = String::from_utf8_lossy(&body.bytes);
    let clean = Bytes::from(key::without_keys(&text).into_owned());
    let original = body.digest.unwrap_or_else(|| BodyDigest::of(&body.bytes));
    *body = RecordedBody {
        bytes: clean,
        digest: Some(original),
    };
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use chrono::DateTime;
    use uuid::Uuid;

    use super::{super::capture::draft, *};

    fn record(path: &str, status: u16, content_type: &str, body: &[u8]) -> TrafficRecord {
        let request = Request::builder().uri(path).header("content-type", content_type);
        let (head, ()) = request.body(()).unwrap().into_parts();
        TrafficRecord {
            status,
            request_body: RecordedBody::whole(Bytes::copy_from_slice(body)),
            response_body: RecordedBody::whole(Bytes::from_static(b"answer")),
            ..draft(&head, Uuid::nil(), DateTime::UNIX_EPOCH)
        }
    }

    fn redacted(mut record: TrafficRecord) -> TrafficRecord {
        redact(&mut record);
        record
    }

    fn kept(path: &str, status: u16, content_type: &str, body: &[u8]) -> TrafficRecord {
        redacted(record(path, status, content_type, body))
    }

    #[test]
    fn an_ordinary_record_stays_as_it_is() {
        let plain = record("/v1/predictions", 200, "application/json", b"\0\xff{}");
        assert_eq!(redacted(plain.clone()), plain);
    }

    #[test]
    fn answers_with_records_are_told_by_their_digest() {
        let kept = kept("/v1/traffic/1", 200, "", b"");
        assert_eq!(
            kept.response_body,
            RecordedBody::digest(BodyDigest::of(b"answer"))
        );
    }

    #[test]
    fn strangers_who_are_refused_leave_the_beginning_of_what_they_sent() {
        let body = [b'x'; 1000];
        let refused = kept("/v1/x", 401, "application/json", &body);
        assert_eq!(
            refused.request_body,
            RecordedBody::prefix(&Bytes::copy_from_slice(&body), 256)
        );
        let known = TrafficRecord {
            key_id: Some(Uuid::nil()),
            ..record("/v1/x", 403, "application/json", &body)
        };
        assert_eq!(redacted(known).request_body.bytes.len(), 1000);
    }

    #[test]
    fn forms_and_keys_are_not_kept() {
        let form = kept("/login", 200, "application/x-www-form-urlencoded", b"key=abc");
        assert_eq!(
            form.request_body,
            RecordedBody::whole(Bytes::from_static(REDACTED))
        );
        let sent = br#"{"key":"lap_op_0011223344"}"#;
        let body = kept("/v1/x", 400, "application/json", sent).request_body;
        assert_eq!(&body.bytes[..], br#"{"key":"lap_op_REDACTED"}"#);
        assert_eq!(body.digest, Some(BodyDigest::of(sent)));
    }
}
