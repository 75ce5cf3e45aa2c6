//! No request is in hand for longer than so long.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use crate::problem::Problem;

/// The answer that `work` makes, unless that takes too long.
pub(crate) async fn within(longest: Duration, work: impl Future<Output = Response>) -> Response {
    match timeout(longest, work).await {
        Ok(response) => response,
        Err(_) => Problem::overloaded("this took too long, and was given up").into_response(),
    }
}
