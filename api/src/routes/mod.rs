//! The routes, one file an endpoint.

mod datasets;
mod decisions;
mod events;
mod files;
mod list;
mod models;
mod openapi;
mod operations;
pub(crate) mod predictions;
mod promotions;
mod runs;
pub(crate) mod similar;
mod traffic;

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, StatusCode, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use futures_util::future::Either;
use tower::Service as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    around::{self, AroundLayer, Inner, Received},
    measure::Route,
    problem::Problem,
    service::App,
};

/// Everything that is answered, recorded.
pub(crate) struct Routes {
    app: App,
    router: Router,
}

impl Routes {
    pub(crate) fn new(app: App) -> Self {
        Self {
            router: router(app.clone()),
            app,
        }
    }

    /// Answers a request. A price goes past the router, which would take as long as its request takes to be read.
    pub(crate) fn answer(
        &self,
        head: Parts,
        body: Body,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
        if head.method == Method::POST && head.uri.path() == PRICE {
            let (app, price) = (self.app.clone(), Price(self.app.clone()));
            Either::Left(around::answer(app, Route::Direct(PRICE), price, head, body))
        } else {
            // The router's future is large, and the price's would take as much room as it.
            Either::Right(Box::pin(
                self.router.clone().call(Request::from_parts(head, body)),
            ))
        }
    }
}

/// Where single diamonds are priced.
const PRICE: &str = "/v1/predictions";

/// The handler of [`PRICE`].
struct Price(App);

impl Inner for Price {
    async fn answer(self, head: Box<Parts>, body: Received) -> Response {
        predictions::one::direct(self.0, head, body).await.into_response()
    }
}

fn router(app: App) -> Router {
    let (router, description) = described().split_for_parts();
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
        .layer(AroundLayer::new(app.clone()))
        .with_state(app)
}

/// The routes of `/v1`, with their descriptions.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::begun())
        .routes(routes!(predictions::one::predict))
        .routes(routes!(predictions::batch::predict_batch))
        .routes(routes!(similar::similar))
        .routes(routes!(models::listed::models))
        .routes(routes!(models::champion::champion))
        .routes(routes!(models::decisions::rollback))
        .routes(routes!(models::freeze::freeze))
        .routes(routes!(models::freeze::unfreeze))
        .routes(routes!(models::listed::model))
        .routes(routes!(models::decisions::promote))
        .routes(routes!(models::artifact::artifact))
        .routes(routes!(promotions::promotions))
        .routes(routes!(datasets::datasets))
        .routes(routes!(datasets::dataset))
        .routes(routes!(datasets::parquet::parquet))
        .routes(routes!(runs::runs))
        .routes(routes!(runs::run))
        .routes(routes!(events::history::events))
        .routes(routes!(events::stream::stream))
        .routes(routes!(files::files))
        .routes(routes!(files::file))
        .routes(routes!(decisions::accept))
        .routes(routes!(decisions::reject))
        .routes(routes!(decisions::withdraw))
        .routes(routes!(traffic::traffic))
        .routes(routes!(traffic::record))
}
