//! Answered means recorded: the outermost step holds a response back until its record is durable.
//!
//! ```text
//! answer: admission, body, handler, record ─> queue ─> committer ─┬─> Postgres, a group a transaction
//!                                                                 └─> spool, while Postgres is away ─> drain
//! ```
//!
//! Outside of it, by name: event streams, `/healthz`, `/readyz`, `/metrics`, the files of `/docs`, what the HTTP
//! library refuses before any handler, and the 503 that says that nothing can be recorded (counted).

mod accounts;
mod admission;
mod answer;
mod body;
mod budget;
mod capture;
mod committer;
mod drain;
mod group;
mod queue;
mod recorder;
mod redact;
mod refusals;
mod secrets;

use std::sync::{Arc, OnceLock};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use domain::{ModelVersion, traffic::BodyDigest};
use uuid::Uuid;

pub(crate) use answer::{answer, is_recorded};
pub(crate) use drain::drain_folder;
pub(crate) use recorder::Recorder;

/// A request that will be recorded: left in its extensions, for handlers and for the record.
#[derive(Clone)]
pub(crate) struct Ticket {
    /// The identity of the request and of its record, for a handler that repeats it in its answer.
    pub(crate) id: Uuid,
    /// Where a route that asks for a key leaves the key's id.
    pub(crate) key_used: KeyUsed,
}

/// The model that made a response, for whoever asked and for the record.
const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");

/// As many headers as a price usually has.
const HEADERS: usize = 6;

/// A model's answer in JSON, with room for the headers that it will usually have.
pub(crate) fn answered(version: ModelVersion, json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(MODEL_VERSION, i64::from(version).into());
    response
}

/// Left on a response whose body the record does not keep, such as an export or a large list; one that comes from a file
/// is let through as it comes.
#[derive(Clone, Copy)]
pub(crate) struct BodyTold(pub(crate) BodyDigest);

/// The id of the key that came with a request, once it is known.
#[derive(Clone)]
pub(crate) struct KeyUsed(Option<Arc<OnceLock<Uuid>>>);

impl KeyUsed {
    /// Of a request with these headers: without the one that brings a key there will be nothing to tell.
    fn of(headers: &HeaderMap) -> Self {
        Self(headers.contains_key(header::AUTHORIZATION).then(Arc::default))
    }

    pub(crate) fn set(&self, key_id: Uuid) {
        if let Some(used) = &self.0 {
            used.get_or_init(|| key_id);
        }
    }

    fn get(&self) -> Option<Uuid> {
        self.0.as_ref()?.get().copied()
    }
}
