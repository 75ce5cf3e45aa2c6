//! Answered means recorded: the outermost layer holds a response back until its record is committed.
//!
//! The handler and its record run in a task of their own, to the end even when the client hangs up.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::{ModelVersion, traffic::TrafficRecord};
use http_body_util::{BodyExt as _, Limited};
use tracing::warn;
use uuid::Uuid;

use crate::{input::body_fault, key::without_keys, problem::Problem, service::App};

/// Paths that leave no record.
const UNRECORDED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// Request headers that a record keeps; never keys.
const KEPT: [header::HeaderName; 4] = [
    header::USER_AGENT,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::REFERER,
];

/// The model that made a response, for its record.
#[derive(Clone, Copy)]
pub(crate) struct AnsweredBy(pub(crate) ModelVersion);

/// Where a route that asks for a key leaves the key's id, for the record.
#[derive(Clone, Default)]
pub(crate) struct KeyUsed(Arc<OnceLock<Uuid>>);

impl KeyUsed {
    pub(crate) fn set(&self, key_id: Uuid) {
        self.0.get_or_init(|| key_id);
    }
}

/// Runs the request, records it with its response, and only then lets the response go.
pub(crate) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if UNRECORDED.contains(&path) || path.starts_with("/docs") {
        return next.run(request).await;
    }
    let done = tokio::spawn(answer(app, request, next)).await;
    done.unwrap_or_else(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "something broke down here").into_response()
    })
}

async fn answer(app: App, request: Request, next: Next) -> Response {
    let (started, at, id) = (Instant::now(), app.clock.now(), Uuid::now_v7());
    let (mut head, body) = request.into_parts();
    let key_used = KeyUsed::default();
    head.extensions.insert(key_used.clone());
    let (request_body, response) = match collect(body, app.body_limit_bytes).await {
        Ok(bytes) => {
            let request = Request::from_parts(head.clone(), Body::from(bytes.clone()));
            // A task of its own, so that a handler that panics is answered and recorded as well.
            let response = tokio::spawn(next.run(request)).await.unwrap_or_else(|_| {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "something broke down here").into_response()
            });
            (bytes, response)
        }
        Err(problem) => (Bytes::new(), problem.into_response()),
    };
    let (mut answer, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let model_version = answer.extensions.get::<AnsweredBy>().map(|by| by.0);
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let record = TrafficRecord {
        id,
        at,
        status: answer.status.as_u16(),
        duration_us,
        model_version,
        key_id: key_used.0.get().copied(),
        request_body: request_body.to_vec(),
        response_body: body.to_vec(),
        ..record_of(&head)
    };
    if let Err(error) = app.backend.database.record_traffic(record).await {
        warn!(%error, "a request cannot be recorded, and is refused");
        metrics::counter!("lapidary_requests_unrecorded_total").increment(1);
        return Problem::unrecorded().into_response();
    }
    metrics::counter!("lapidary_requests_total", "status" => answer.status.as_u16().to_string()).increment(1);
    metrics::histogram!("lapidary_request_seconds").record(started.elapsed().as_secs_f64());
    set(&mut answer.headers, "x-request-id", &id.to_string());
    if let Some(version) = model_version {
        set(&mut answer.headers, "x-model-version", &version.to_string());
    }
    Response::from_parts(answer, Body::from(body))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, limit).collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| body_fault(error, limit))
}

/// What the head tells; the rest is filled in by the caller.
fn record_of(head: &Parts) -> TrafficRecord {
    let client = head
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip().to_string());
    let kept = KEPT.iter().filter_map(|name| {
        let value = head.headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), serde_json::Value::from(without_keys(value))))
    });
    TrafficRecord {
        id: Uuid::nil(),
        at: chrono::DateTime::UNIX_EPOCH,
        method: head.method.to_string(),
        path: without_keys(head.uri.path()),
        query: head.uri.query().map(without_keys),
        status: 0,
        duration_us: 0,
        model_version: None,
        key_id: None,
        client,
        request_headers: kept.collect(),
        request_body: Vec::new(),
        response_body: Vec::new(),
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
