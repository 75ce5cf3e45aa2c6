//! `/readyz` and `/metrics`.

use ::service::health::Status;
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};

use crate::service::App;

/// How the service is: 503 while it cannot answer.
pub(crate) async fn ready(State(app): State<App>) -> impl IntoResponse {
    app.recorder.tell();
    let snapshot = app.health.snapshot();
    let status = match snapshot.status {
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Status::Ready | Status::Degraded => StatusCode::OK,
    };
    (status, Json(snapshot))
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(app): State<App>) -> String {
    app.recorder.scrape(|| app.metrics.render())
}
