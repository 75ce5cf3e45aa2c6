//! What a request's head tells its record.

use std::{borrow::Cow, sync::Arc};

use axum::http::{HeaderMap, Method, header, request::Parts};
use chrono::{DateTime, Utc};
use domain::traffic::{BodyDigest, RecordedBody, Shortened, TrafficRecord, id_at};
use uuid::Uuid;

use super::secrets::{Secrets, without};
use crate::server::Peer;

/// Request headers that a record keeps; never keys.
const KEPT: [header::HeaderName; 6] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::IF_NONE_MATCH,
    header::ORIGIN,
    header::REFERER,
    header::USER_AGENT,
];

/// The identity of a request that came at this time.
pub(super) fn new_id(at: DateTime<Utc>) -> Uuid {
    id_at(at, rand::random())
}

/// A record with what the head tells; the rest is filled in later.
pub(super) fn draft(head: &Parts, id: Uuid, at: DateTime<Utc>) -> TrafficRecord {
    let peer = head.extensions.get::<Peer>();
    let mut record = TrafficRecord {
        id,
        at,
        method: method(&head.method),
        path: cleaned(head.uri.path()),
        query: head.uri.query().map(cleaned),
        status: 0,
        duration_us: 0,
        model_version: None,
        key_id: None,
        client: peer.map(|peer| Arc::clone(&peer.text)),
        request_headers: headers(&head.headers),
        request_body: RecordedBody::default(),
        response_body: RecordedBody::default(),
        shortened: Vec::new(),
        repeats: 0,
    };
    shorten(&mut record, &LIMITS);
    record
}

/// How many bytes a record keeps of each text of a head.
pub(super) struct TextLimits {
    pub(super) method: usize,
    pub(super) path: usize,
    pub(super) query: usize,
    /// Of each header.
    pub(super) header: usize,
}

/// Of any request.
const LIMITS: TextLimits = TextLimits {
    method: 64,
    path: 2 << 10,
    query: 8 << 10,
    header: 1 << 10,
};

/// Of a caller that has used up its budget of recorded bytes.
pub(super) const BEYOND_BUDGET: TextLimits = TextLimits {
    method: 64,
    path: 256,
    query: 256,
    header: 64,
};

/// Keeps the beginnings of texts that are longer, and notes the digests of the whole ones.
pub(super) fn shorten(record: &mut TrafficRecord, limits: &TextLimits) {
    let noted = &mut record.shortened;
    if record.method.len() > limits.method {
        cut(record.method.to_mut(), limits.method, || "method".into(), noted);
    }
    cut(&mut record.path, limits.path, || "path".into(), noted);
    if let Some(query) = &mut record.query {
        cut(query, limits.query, || "query".into(), noted);
    }
    for (name, value) in &mut record.request_headers {
        let field = || format!("request_headers.{name}").into();
        cut(value, limits.header, field, noted);
    }
}

fn cut(text: &mut String, limit: usize, field: impl Fn() -> Cow<'static, str>, noted: &mut Vec<Shortened>) {
    if text.len() <= limit {
        return;
    }
    let field = field();
    // What was shortened before keeps the digest of the whole.
    if !noted.iter().any(|it| it.field == field) {
        let digest = BodyDigest::of(text.as_bytes());
        noted.push(Shortened { field, digest });
    }
    text.truncate(text.floor_char_boundary(limit));
    text.shrink_to_fit();
}

fn cleaned(text: &str) -> String {
    without(Secrets::KeysAndFields, text).text.into_owned()
}

fn method(method: &Method) -> Cow<'static, str> {
    match *method {
        Method::POST => "POST".into(),
        Method::GET => "GET".into(),
        _ => method.to_string().into(),
    }
}

fn headers(all: &HeaderMap) -> Vec<(Cow<'static, str>, String)> {
    let kept = KEPT.iter().filter_map(|name| {
        let value = all.get(name)?.to_str().ok()?;
        Some((name_of(name), cleaned(value)))
    });
    kept.collect()
}

fn name_of(name: &header::HeaderName) -> Cow<'static, str> {
    match *name {
        header::ACCEPT => "accept".into(),
        header::CONTENT_TYPE => "content-type".into(),
        header::USER_AGENT => "user-agent".into(),
        _ => name.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn a_draft_keeps_chosen_headers_and_never_a_key() {
        let secret = "lap_op_00112233445566778899";
        let request = Request::builder()
            .method("DELETE")
            .uri(format!("/v1/x/{secret}?a=1&key={secret}"))
            .header("authorization", format!("Bearer {secret}"))
            .header("cookie", "session=1")
            .header("user-agent", format!("me {secret}"))
            .extension(Peer::at(([192, 0, 2, 7], 4711).into()))
            .body(())
            .unwrap();
        let (head, ()) = request.into_parts();
        let at = DateTime::from_timestamp_millis(1_780_000_000_000).unwrap();
        let record = draft(&head, new_id(at), at);
        assert_eq!(
            (&*record.method, &*record.path, record.query.as_deref()),
            ("DELETE", "/v1/x/lap_op_REDACTED", Some("a=1&key=REDACTED"))
        );
        assert_eq!(record.client.as_deref(), Some("192.0.2.7"));
        assert_eq!(
            record.request_headers,
            [("user-agent".into(), "me lap_op_REDACTED".to_owned())]
        );
    }

    /// S8: whatever a head holds, its record is small, and tells the rest by digests.
    #[test]
    fn long_texts_of_a_head_keep_their_beginning() {
        let long = "é".repeat(8 << 10);
        let (path, query) = (format!("/{}", "p".repeat(4000)), "q".repeat(30_000));
        let request = Request::builder()
            .method(&*"M".repeat(5000))
            .uri(format!("{path}?{query}"))
            .header("user-agent", "u".repeat(20_000))
            .header("referer", "short");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        head.headers.insert(
            "accept",
            header::HeaderValue::from_bytes(long.as_bytes()).unwrap(),
        );
        let mut record = draft(&head, Uuid::nil(), DateTime::UNIX_EPOCH);
        assert_eq!(
            (
                record.method.len(),
                record.path.len(),
                record.query.as_ref().unwrap().len()
            ),
            (64, 2048, 8192)
        );
        let headers: usize = record.request_headers.iter().map(|(_, value)| value.len()).sum();
        assert_eq!(headers, 1024 + "short".len());
        let told: Vec<_> = record
            .shortened
            .iter()
            .map(|it| (&*it.field, it.digest))
            .collect();
        let of = |text: &str| BodyDigest::of(text.as_bytes());
        let expected = [
            ("method", of(&"M".repeat(5000))),
            ("path", of(&path)),
            ("query", of(&query)),
            ("request_headers.user-agent", of(&"u".repeat(20_000))),
        ];
        assert_eq!(told, expected);
        // Shortened once more, it still tells what it was at first.
        let before = record.shortened.clone();
        shorten(&mut record, &BEYOND_BUDGET);
        assert_eq!(record.shortened, before);
        assert_eq!(record.path.len(), BEYOND_BUDGET.path);
    }

    #[test]
    fn a_text_is_not_cut_within_a_character() {
        let (mut text, mut noted) = ("aé".to_owned(), Vec::new());
        cut(&mut text, 2, || "path".into(), &mut noted);
        assert_eq!((&*text, noted[0].digest), ("a", BodyDigest::of("aé".as_bytes())));
    }
}
