//! The routes, one file an endpoint, and the layers around them.

mod decisions;
mod files;
mod list;
mod openapi;
mod operations;
mod predictions;
mod registry;
mod similar;

use ::service::config::Api;
use axum::{Router, http::StatusCode, middleware, response::Redirect, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    access,
    cors::{self, Origins},
    headers,
    limits::{self, InHand},
    measure,
    problem::Problem,
    record,
    service::App,
};

/// Every route, recorded.
pub(crate) fn router(app: App, settings: &Api) -> Router {
    let (router, description) = described().split_for_parts();
    let origins = Origins::new(&settings.cors_origins);
    let in_hand = InHand::new(settings.max_requests, settings.request_timeout);
    // The last layer is the outermost: what is inside `record` is on record, refusals included.
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi::complete(description)))
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(operations::ready))
        .route("/metrics", get(operations::metrics))
        .fallback(|| async { Problem::not_found("such page; /docs lists what there is") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page does not take this method; the header `allow` says which it takes",
            )
        })
        .layer(middleware::from_fn_with_state(app.clone(), access::layer))
        .layer(middleware::from_fn_with_state(in_hand, limits::layer))
        .layer(middleware::from_fn_with_state(origins.clone(), cors::preflight))
        .layer(middleware::from_fn_with_state(app.clone(), record::layer))
        .layer(middleware::from_fn(headers::layer))
        .layer(middleware::from_fn_with_state(origins, cors::decorate))
        .layer(middleware::from_fn(measure::layer))
        .with_state(app)
}

/// The routes of `/v1`, with their descriptions.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::begun())
        .routes(routes!(predictions::one::predict))
        .routes(routes!(predictions::batch::predict_batch))
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
}
