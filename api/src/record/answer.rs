//! One request, from its head to its recorded answer.

use std::{panic::AssertUnwindSafe, pin::pin, time::Instant};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request, response},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::{
    ModelVersion,
    traffic::{RecordedBody, TrafficRecord},
};
use futures_util::FutureExt as _;
use hyper::body::Body as _;
use uuid::Uuid;

use super::{
    BodyTold, KeyUsed, MODEL_VERSION, Ticket,
    admission::{Entry, HeldBytes},
    body::{Unread, collect, in_pieces},
    capture::{draft, new_id},
    redact::redact,
};
use crate::{
    access::is_known_operator,
    around::{Inner, Received, let_in},
    input::whole,
    problem::Problem,
    server::Peer,
    service::App,
};

/// Paths that leave no record, exactly these.
const UNRECORDED: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
/// Static files, and whatever is under them.
const STATIC: [&str; 2] = ["/docs", "/static"];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request, and records it unless its path leaves no record; what cannot be recorded is not answered.
pub(crate) async fn answer(
    app: &App,
    inner: impl Inner,
    mut head: Box<request::Parts>,
    body: Body,
    started: Instant,
) -> Response {
    let at = app.clock.now();
    let id = new_id(at);
    if !is_recorded(head.uri.path()) {
        return named(let_in(app, inner, head, Received::Coming(body)).await, id);
    }
    if app.recorder.is_closed() {
        return refusal(app, id);
    }
    let mut record = Box::new(draft(&head, id, at));
    let admission = &app.recorder.admission;
    let network = head.extensions.get::<Peer>().and_then(|peer| peer.network);
    let mut arrived = admission.bytes(network);
    let body = collect(&head, body, app.body_limit_bytes, &mut arrived).await;
    let entry = match &body {
        Err(Unread::Excess(excess)) => admission.turn_away(*excess),
        _ => {
            let is_operator = || is_known_operator(app, &head.headers);
            admission.enter(network, is_operator).await
        }
    };
    match entry {
        Entry::Admitted(_place) => {
            let key_used = KeyUsed::of(&head.headers);
            head.extensions.insert(Ticket {
                id,
                key_used: key_used.clone(),
            });
            let (request_body, response) = handle(app, inner, head, body).await;
            if is_event_stream(response.headers()) {
                return named(response, id);
            }
            record.key_id = key_used.get();
            record.request_body = RecordedBody::whole(request_body);
            let reply = Reply::of(response, admission.bytes(network)).await;
            keep(app, record, reply, started).await
        }
        Entry::Overload(_turned_away, excess) => {
            let response = Problem::overloaded(excess.detail()).into_response();
            let reply = Reply::of(response, admission.bytes(network)).await;
            keep(app, record, reply, started).await
        }
        Entry::Hopeless => refusal(app, id),
    }
}

/// The request's body, and what the handler answers to it; also when either breaks.
async fn handle(
    app: &App,
    inner: impl Inner,
    head: Box<request::Parts>,
    body: Result<Bytes, Unread>,
) -> (Bytes, Response) {
    let bytes = match body {
        Ok(bytes) => bytes,
        Err(unread) => return (Bytes::new(), Problem::from(unread).into_response()),
    };
    let handled = pin!(let_in(app, inner, head, Received::Whole(bytes.clone())));
    let response = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(response) => response,
        Err(_) => Problem::broken().into_response(),
    };
    (bytes, response)
}

/// An answer that is ready to go.
struct Reply {
    head: response::Parts,
    body: Body,
    recorded: RecordedBody,
}

impl Reply {
    /// A large answer is held in memory until it is sent, which counts as `held`.
    async fn of(response: Response, mut held: HeldBytes) -> Self {
        let (mut head, body) = response.into_parts();
        let told = head.extensions.get().copied();
        if let Some(BodyTold(digest)) = told
            && body.size_hint().exact().is_none()
        {
            // It comes from a file, a part at a time.
            return Self {
                head,
                body,
                recorded: RecordedBody::digest(digest),
            };
        }
        let mut bytes = read(&mut head, body).await;
        let mut recorded = match told {
            Some(BodyTold(digest)) => RecordedBody::digest(digest),
            None => RecordedBody::whole(bytes.clone()),
        };
        if let Err(excess) = held.hold(bytes.len()).await {
            let refused = Problem::overloaded(excess.detail()).into_response();
            let (small, body) = refused.into_parts();
            head = small;
            bytes = read(&mut head, body).await;
            recorded = RecordedBody::whole(bytes.clone());
        }
        Self {
            head,
            body: in_pieces(bytes, held),
            recorded,
        }
    }
}

/// The whole of an answer; where it breaks, that becomes the answer.
async fn read(head: &mut response::Parts, body: Body) -> Bytes {
    match whole(body).await {
        Ok(bytes) => bytes,
        Err(_) => {
            head.status = StatusCode::INTERNAL_SERVER_ERROR;
            head.headers.clear();
            Bytes::new()
        }
    }
}

/// Keeps the record, and only then hands the answer out.
async fn keep(app: &App, mut record: Box<TrafficRecord>, reply: Reply, started: Instant) -> Response {
    let Reply { head, body, recorded } = reply;
    let id = record.id;
    record.status = head.status.as_u16();
    record.duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    record.model_version = model_version(&head.headers);
    record.response_body = recorded;
    redact(&mut record);
    if app.recorder.keep(record).await.is_err() {
        return named(Problem::unrecorded().into_response(), id);
    }
    named(Response::from_parts(head, body), id)
}

fn model_version(answer: &HeaderMap) -> Option<ModelVersion> {
    answer.get(MODEL_VERSION)?.to_str().ok()?.parse().ok()
}

/// Nothing was done and nothing is recorded; it is counted.
fn refusal(app: &App, id: Uuid) -> Response {
    app.recorder.refuse(1);
    named(Problem::unrecorded().into_response(), id)
}

fn is_recorded(path: &str) -> bool {
    let under = |folder: &&str| {
        path.strip_prefix(*folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    !UNRECORDED.contains(&path) && !STATIC.iter().any(under)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

fn named(mut response: Response, id: Uuid) -> Response {
    let mut buffer = Uuid::encode_buffer();
    set(
        response.headers_mut(),
        REQUEST_ID,
        id.hyphenated().encode_lower(&mut buffer),
    );
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_leaves_no_record() {
        for path in [
            "/healthz",
            "/readyz",
            "/metrics",
            "/docs",
            "/docs/index.css",
            "/openapi.json",
        ] {
            assert!(!is_recorded(path), "{path}");
        }
        for path in ["/", "/v1/predictions", "/docsy", "/metrics/more", "/nothing"] {
            assert!(is_recorded(path), "{path}");
        }
    }
}
