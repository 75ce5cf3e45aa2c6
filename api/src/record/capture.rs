//! What a request's head tells its record.

use std::{borrow::Cow, sync::Arc};

use axum::http::{HeaderMap, Method, header, request::Parts};
use chrono::{DateTime, Utc};
use domain::traffic::{RecordedBody, TrafficRecord, id_at};
use uuid::Uuid;

use crate::{key::without_keys, server::Peer};

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
    TrafficRecord {
        id,
        at,
        method: method(&head.method),
        path: without_keys(head.uri.path()).into_owned(),
        query: head.uri.query().map(|query| without_keys(query).into_owned()),
        status: 0,
        duration_us: 0,
        model_version: None,
        key_id: None,
        client: peer.map(|peer| Arc::clone(&peer.text)),
        request_headers: headers(&head.headers),
        request_body: RecordedBody::default(),
        response_body: RecordedBody::default(),
    }
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
        Some((name_of(name), without_keys(value).into_owned()))
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
            ("DELETE", "/v1/x/lap_op_REDACTED", Some("a=1&key=lap_op_REDACTED"))
        );
        assert_eq!(record.client.as_deref(), Some("192.0.2.7"));
        assert_eq!(
            record.request_headers,
            [("user-agent".into(), "me lap_op_REDACTED".to_owned())]
        );
    }
}
