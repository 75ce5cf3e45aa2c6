//! One request, from its head to its recorded answer.

use std::{net::IpAddr, panic::AssertUnwindSafe, pin::pin, time::Instant};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request, response},
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
};
use crate::{
    access::{is_known_operator, refuse},
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
    let origin = Origin::of(&head);
    let network = origin.network;
    let is_head = head.method == Method::HEAD;
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
            let response = if is_head { without_body(response) } else { response };
            if is_event_stream(response.headers()) && !is_head {
                return named(response, id);
            }
            record.key_id = key_used.get();
            record.request_body = RecordedBody::whole(request_body);
            let reply = Reply::of(response, admission.bytes(network)).await;
            keep(app, record, reply, started, origin).await
        }
        Entry::Overload(_turned_away, excess) => {
            let response = refuse(app, &head, Problem::overloaded(excess.detail()));
            let reply = Reply::of(response, admission.bytes(network)).await;
            keep(app, record, reply, started, origin).await
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
        Err(unread) => return (Bytes::new(), refuse(app, &head, unread.into())),
    };
    let handled = pin!(let_in(app, inner, head, Received::Whole(bytes.clone())));
    let response = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(response) => response,
        Err(_) => Problem::broken().into_response(),
    };
    (bytes, response)
}

/// Where a request came from.
#[derive(Clone, Copy)]
struct Origin {
    address: Option<IpAddr>,
    /// As it is limited; none where it is not.
    network: Option<IpAddr>,
}

impl Origin {
    fn of(head: &request::Parts) -> Self {
        let peer = head.extensions.get::<Peer>();
        Self {
            address: peer.map(|peer| peer.address),
            network: peer.and_then(|peer| peer.network),
        }
    }
}

/// The head alone, as it would be with the body: what answers HEAD. The body is not even read.
fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        let length = HeaderValue::from(length);
        head.headers.entry(header::CONTENT_LENGTH).or_insert(length);
    }
    head.extensions.remove::<BodyTold>();
    Response::from_parts(head, Body::empty())
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
async fn keep(
    app: &App,
    mut record: Box<TrafficRecord>,
    reply: Reply,
    started: Instant,
    origin: Origin,
) -> Response {
    let Reply { head, body, recorded } = reply;
    let id = record.id;
    record.status = head.status.as_u16();
    record.duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    record.model_version = model_version(&head.headers);
    record.response_body = recorded;
    if head.status == StatusCode::TOO_MANY_REQUESTS
        && let Some(address) = origin.network.or(origin.address)
    {
        match app.recorder.refusals.take(address, record) {
            Some(first) => record = first,
            None => return named(Response::from_parts(head, body), id),
        }
    }
    if app.recorder.keep(record, origin.network).await.is_err() {
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

/// Whether requests for this path leave a record.
pub(crate) fn is_recorded(path: &str) -> bool {
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

    /// S17: HEAD has GET's head, and no body that could be recorded.
    #[test]
    fn what_answers_head_has_the_length_of_the_body_and_no_body() {
        let answer = without_body(Response::new(Body::from("body")));
        assert_eq!(answer.headers()["content-length"], "4");
        assert_eq!(answer.body().size_hint().exact(), Some(0));
        let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let answer = without_body(Response::new(endless));
        assert!(answer.headers().is_empty());
        assert_eq!(answer.body().size_hint().exact(), Some(0));
    }

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
