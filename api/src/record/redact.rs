//! What a record keeps of bodies: all of what a route took; of others a beginning, and never a secret.

use std::borrow::Cow;

use bytes::Bytes;
use domain::traffic::{BodyDigest, RecordedBody, TrafficRecord};

use super::secrets::{Cleaned, Secrets, may_hold, without};

/// What is kept of a body that no route took.
const PREFIX_BYTES: usize = 1 << 10;
/// How much of such a body is looked through for the beginning that is kept.
const WINDOW_BYTES: usize = 16 << 10;
/// Bodies with more are not worked on by the threads that answer requests.
const LARGE_BYTES: usize = 64 << 10;
/// Answers under this hold records: records of them would hold all of those again.
const OWN: &str = "/v1/traffic";
/// Forms are what people log in with; the API itself takes JSON.
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/";
const REDACTED: &[u8] = b"[redacted]";

/// Whether it takes long to redact this.
pub(super) fn is_large(record: &TrafficRecord) -> bool {
    record.request_body.bytes.len() + record.response_body.bytes.len() > LARGE_BYTES
}

/// Leaves of a record what is kept. Linear in the length of what it holds.
pub(super) fn redact(record: &mut TrafficRecord) {
    // One that has a digest already was told by it, and its bytes are not here.
    if record.path.starts_with(OWN) && record.response_body.digest.is_none() {
        record.response_body = RecordedBody::digest(BodyDigest::of(&record.response_body.bytes));
    }
    if let Some(body) = other_request_body(record) {
        record.request_body = body;
    }
    if may_hold(Secrets::Keys, &record.response_body.bytes) {
        record.response_body = clean_text(Secrets::Keys, &record.response_body);
    }
}

/// What is kept instead of the request's body; none where all of it stays.
fn other_request_body(record: &TrafficRecord) -> Option<RecordedBody> {
    let body = &record.request_body;
    if body.bytes.is_empty() {
        return None;
    }
    if is_form(record) {
        // Without a digest: what people choose as a password can be guessed by it.
        return Some(RecordedBody::whole(Bytes::from_static(REDACTED)));
    }
    if !is_taken(record) {
        return Some(beginning(&body.bytes));
    }
    // Routes take text; what else a caller sends may be a key in wider characters.
    if !is_success(record.status) && plain_text(&body.bytes).is_none() {
        return Some(RecordedBody::digest(BodyDigest::of(&body.bytes)));
    }
    // What a route took and answered has no fields but those that it knows.
    let secrets = if is_success(record.status) {
        Secrets::Keys
    } else {
        Secrets::KeysAndFields
    };
    may_hold(secrets, &body.bytes).then(|| clean_text(secrets, body))
}

/// Whether a route took the body: of a caller without a key when it was of use, else when it was looked at.
fn is_taken(record: &TrafficRecord) -> bool {
    let is_refused = matches!(record.status, 401 | 403 | 404 | 405 | 408 | 413 | 415 | 429 | 503);
    let is_known = record.key_id.is_some();
    record.method == "POST" && (is_success(record.status) || (is_known && !is_refused))
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// The beginning of a text, and the digest of all of it; of anything else the digest alone, for keys are found in text.
fn beginning(body: &Bytes) -> RecordedBody {
    let Some(text) = plain_text(body) else {
        return RecordedBody::digest(BodyDigest::of(body));
    };
    let window = text.get(..text.floor_char_boundary(WINDOW_BYTES)).unwrap_or(text);
    let cleaned = without(Secrets::KeysAndFields, window);
    let is_whole = window.len() == text.len();
    let digest = digest(&cleaned, is_whole, body);
    let mut kept = RecordedBody {
        bytes: Bytes::copy_from_slice(cleaned.text.as_bytes()),
        digest: (!is_whole || matches!(cleaned.text, Cow::Owned(_))).then_some(digest),
    };
    kept.shorten(PREFIX_BYTES);
    kept
}

/// Of what was sent; or, where a person may have chosen a secret in it, of what is left, lest it be guessed.
fn digest(cleaned: &Cleaned, is_whole: bool, sent: &[u8]) -> BodyDigest {
    if cleaned.had_guessable && is_whole {
        BodyDigest::of(cleaned.text.as_bytes())
    } else {
        BodyDigest::of(sent)
    }
}

/// UTF-8 without zeros, which texts of wider characters have.
fn plain_text(body: &[u8]) -> Option<&str> {
    if memchr::memchr(0, body).is_some() {
        return None;
    }
    std::str::from_utf8(body).ok()
}

/// Someone may send a secret where it does not belong; then the digest tells that the body was another.
fn clean_text(secrets: Secrets, body: &RecordedBody) -> RecordedBody {
    let text = String::from_utf8_lossy(&body.bytes);
    let cleaned = without(secrets, &text);
    if matches!(cleaned.text, Cow::Borrowed(_)) {
        return body.clone();
    }
    RecordedBody {
        digest: Some(body.digest.unwrap_or_else(|| digest(&cleaned, true, &body.bytes))),
        bytes: Bytes::from(cleaned.text.into_owned()),
    }
}

/// Media types are compared without case and parameters (<https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1>).
fn is_form(record: &TrafficRecord) -> bool {
    let mut headers = record.request_headers.iter();
    let content_type = headers.find(|(name, _)| name == "content-type");
    content_type.is_some_and(|(_, value)| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        let kind = essence.get(..MULTIPART.len());
        essence.eq_ignore_ascii_case(FORM) || kind.is_some_and(|kind| kind.eq_ignore_ascii_case(MULTIPART))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use chrono::DateTime;
    use uuid::Uuid;

    use super::{super::capture::draft, *};

    fn record(path: &str, status: u16, content_type: &str, body: &[u8]) -> TrafficRecord {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", content_type);
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

    /// What is kept of a body.
    fn kept(status: u16, content_type: &str, body: &[u8]) -> RecordedBody {
        redacted(record("/v1/predictions", status, content_type, body)).request_body
    }

    fn of_known(record: TrafficRecord) -> TrafficRecord {
        TrafficRecord {
            key_id: Some(Uuid::nil()),
            ..record
        }
    }

    #[test]
    fn what_a_route_took_stays_as_it_is() {
        let body = format!("{{\"diamonds\":[{}1]}}", "1,".repeat(10_000));
        let plain = record("/v1/predictions/batch", 200, "application/json", body.as_bytes());
        assert_eq!(redacted(plain.clone()), plain);
        let looked_at = of_known(record(
            "/v1/predictions",
            422,
            "application/json",
            body.as_bytes(),
        ));
        assert_eq!(redacted(looked_at.clone()), looked_at);
    }

    #[test]
    fn answers_with_records_are_told_by_their_digest() {
        let kept = redacted(record("/v1/traffic/1", 200, "", b""));
        assert_eq!(
            kept.response_body,
            RecordedBody::digest(BodyDigest::of(b"answer"))
        );
    }

    #[test]
    fn an_answer_that_is_told_by_its_digest_keeps_that() {
        let told = RecordedBody::digest(BodyDigest::of(b"a long list of records"));
        let mut record = record("/v1/traffic", 200, "", b"");
        record.response_body = told.clone();
        assert_eq!(redacted(record).response_body, told);
    }

    /// S2: whatever the status, what no route took costs a record no more than its beginning.
    #[test]
    fn of_bodies_that_no_route_took_the_beginning_is_kept() {
        let body = Bytes::from(vec![b'x'; 4 << 20]);
        for status in [400, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503] {
            assert_eq!(
                kept(status, "application/json", &body),
                RecordedBody::prefix(&body, PREFIX_BYTES)
            );
        }
        for status in [401, 403, 404, 405, 413, 415, 429] {
            let known = of_known(record("/v1/x", status, "application/json", &body));
            assert_eq!(redacted(known).request_body.bytes.len(), PREFIX_BYTES, "{status}");
        }
        let mut got = record("/v1/models", 200, "", &body);
        got.method = "GET".into();
        assert_eq!(redacted(got).request_body.bytes.len(), PREFIX_BYTES);
        assert_eq!(
            kept(404, "", b"short"),
            RecordedBody::whole(Bytes::from_static(b"short"))
        );
    }

    /// S11: keys are found in text of single bytes.
    #[test]
    fn what_is_no_text_is_told_by_its_digest() {
        let wide: Vec<u8> = "{\"key\":\"lap_op_0011\"}"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for body in [&wide[..], b"\xff\xfe", b"\0"] {
            let digest = RecordedBody::digest(BodyDigest::of(body));
            assert_eq!(kept(400, "application/json", body), digest);
            let known = of_known(record("/v1/predictions", 400, "application/json", body));
            assert_eq!(redacted(known).request_body, digest);
        }
    }

    /// S11: by its media type, not by how that is written.
    #[test]
    fn forms_are_not_kept() {
        for form in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
            "multipart/form-data; boundary=x",
            "Multipart/Mixed",
        ] {
            assert_eq!(
                kept(415, form, b"pin=1234"),
                RecordedBody::whole(Bytes::from_static(REDACTED))
            );
        }
    }

    /// S11: a key in a body, as the client wrote it or as it is escaped.
    #[test]
    fn keys_are_not_kept() {
        for (sent, clean) in [
            (
                &br#"{"x":"lap_op_0011223344"}"#[..],
                &br#"{"x":"lap_op_REDACTED"}"#[..],
            ),
            (
                br#"{"x":"lap\u005fop_00-11.22"}"#,
                br#"{"x":"lap\u005fop_REDACTED"}"#,
            ),
        ] {
            for status in [200, 422] {
                let body = kept(status, "application/json", sent);
                assert_eq!(
                    (&body.bytes[..], body.digest),
                    (clean, Some(BodyDigest::of(sent)))
                );
            }
        }
        let mut told = record("/v1/x", 422, "", b"");
        told.response_body = RecordedBody::whole(Bytes::from_static(b"since is \"lap_op_00\""));
        assert_eq!(
            &redacted(told).response_body.bytes[..],
            b"since is \"lap_op_REDACTED\""
        );
    }

    #[test]
    fn the_digest_of_what_a_person_may_have_chosen_is_not_kept() {
        let sent = br#"{"password":"hunter2"}"#;
        let clean = br#"{"password":"REDACTED"}"#;
        let body = kept(422, "application/json", sent);
        assert_eq!(
            (&body.bytes[..], body.digest),
            (&clean[..], Some(BodyDigest::of(clean)))
        );
        let known = of_known(record("/v1/x", 422, "application/json", sent));
        assert_eq!(redacted(known).request_body, body);
    }

    /// S1: of what no route took, a little is looked through, however much there is; and what is large is done elsewhere.
    #[test]
    fn a_bomb_of_keys_is_cheap() {
        let bomb = b"lap_cl_x ".repeat((4 << 20) / 9);
        let record = record("/v1/predictions", 415, "text/plain", &bomb);
        assert!(is_large(&record));
        let kept = redacted(record).request_body;
        assert!(kept.bytes.starts_with(b"lap_cl_REDACTED lap_cl_REDACTED "));
        assert_eq!(
            (kept.bytes.len(), kept.digest),
            (PREFIX_BYTES, Some(BodyDigest::of(&bomb)))
        );
    }
}
