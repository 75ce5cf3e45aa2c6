//! Traffic records: one request and its response, as they went over the wire.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::ModelVersion;

/// One request and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficRecord {
    /// Identity (version 7, ordered by time); the response carries it as `x-request-id`.
    pub id: Uuid,
    /// When the request's head had been read.
    pub at: DateTime<Utc>,
    /// HTTP method.
    pub method: String,
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
    pub client: Option<String>,
    /// Chosen request headers, by name; never keys.
    pub request_headers: serde_json::Value,
    /// The request's body.
    pub request_body: Vec<u8>,
    /// The response's body.
    pub response_body: Vec<u8>,
}
