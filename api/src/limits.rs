//! No request is in hand for longer than so long.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::time::timeout;

use crate::problem::Problem;

/// How long an answer may take to be made.
#[derive(Clone, Copy)]
pub(crate) struct Longest(pub(crate) Duration);

/// Gives a request up when it takes too long.
pub(crate) async fn layer(State(Longest(longest)): State<Longest>, request: Request, next: Next) -> Response {
    match timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::overloaded("this took too long, and was given up").into_response(),
    }
}
