//! Counting answers and timing them, per route, method and status.
//!
//! The meters of each combination are looked up once and kept: there are as many as routes and statuses.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};
use metrics::{Counter, Histogram};

type Meters = HashMap<(Method, Arc<str>, u16), (Counter, Histogram)>;

static METERS: RwLock<Option<Meters>> = RwLock::new(None);

/// Counts and times an answer.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route: Arc<str> = route.map_or("none", MatchedPath::as_str).into();
    let method = known(request.method());
    let response = next.run(request).await;
    let (counter, histogram) = meters(method, route, response.status().as_u16());
    counter.increment(1);
    histogram.record(started.elapsed().as_secs_f64());
    response
}

/// Methods that clients make up are one.
fn known(method: &Method) -> Method {
    match *method {
        Method::GET | Method::POST | Method::HEAD | Method::OPTIONS => method.clone(),
        _ => Method::TRACE,
    }
}

fn meters(method: Method, route: Arc<str>, status: u16) -> (Counter, Histogram) {
    let key = (method, route, status);
    let known = METERS.read();
    let known = known.unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(meters) = known.as_ref().and_then(|known| known.get(&key)) {
        return meters.clone();
    }
    drop(known);
    let (method, route, status) = &key;
    let method = if *method == Method::TRACE {
        "other"
    } else {
        method.as_str()
    };
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_string()),
        ("status", status.to_string()),
    ];
    let made = (
        metrics::counter!("lapidary_http_requests_total", &labels),
        metrics::histogram!("lapidary_http_request_seconds", &labels),
    );
    let kept = METERS.write();
    let mut kept = kept.unwrap_or_else(std::sync::PoisonError::into_inner);
    kept.get_or_insert_default().insert(key, made.clone());
    made
}
