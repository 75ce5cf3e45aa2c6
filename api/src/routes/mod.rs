//! The routes, one file a subject.

mod decisions;
mod files;
mod list;
mod operations;
mod predictions;
mod registry;
mod security;
mod similar;
mod traffic;

use axum::{Router, http::StatusCode, response::Redirect, routing::get};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{problem::Problem, record::RecordLayer, service::App};

#[derive(OpenApi)]
#[openapi(info(title = "Lapidary", description = "Diamond prices, explained and on record."))]
struct Description;

/// Every route, recorded.
pub(crate) fn router(app: App) -> Router {
    let (router, description) = OpenApiRouter::with_openapi(security::described(Description::openapi()))
        .routes(routes!(predictions::predict))
        .routes(routes!(similar::similar))
        .routes(routes!(registry::models))
        .routes(routes!(registry::champion))
        .routes(routes!(registry::model))
        .routes(routes!(registry::promotions))
        .routes(routes!(registry::datasets))
        .routes(routes!(registry::runs))
        .routes(routes!(registry::run))
        .routes(routes!(files::files))
        .routes(routes!(files::file))
        .routes(routes!(decisions::accept))
        .routes(routes!(decisions::reject))
        .routes(routes!(decisions::withdraw))
        .routes(routes!(traffic::traffic))
        .routes(routes!(traffic::record))
        .split_for_parts();
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", description))
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(operations::ready))
        .route("/metrics", get(operations::metrics))
        .fallback(|| async { Problem::not_found("such page; /docs lists what there is") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page does not take this method; see /docs",
            )
        })
        .layer(RecordLayer::new(app.clone()))
        .with_state(app)
}
