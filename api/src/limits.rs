//! No request is in hand for longer than so long.

use std::{pin::pin, time::Duration};

use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tokio::time::timeout;

use crate::problem::Problem;

/// The answer that `work` makes, unless that takes too long.
pub(crate) async fn within(longest: Duration, work: impl Future<Output = Response>) -> Response {
    let mut work = pin!(work);
    // Most are done at once, and need no timer.
    if let Some(response) = work.as_mut().now_or_never() {
        return response;
    }
    match Box::pin(timeout(longest, work)).await {
        Ok(response) => response,
        Err(_) => Problem::overloaded("this took too long, and was given up").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use axum::http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_what_is_done_is_answered() {
        assert_eq!(
            within(Duration::ZERO, pending()).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        let done = within(Duration::ZERO, ready(StatusCode::IM_A_TEAPOT.into_response()));
        assert_eq!(done.await.status(), StatusCode::IM_A_TEAPOT);
    }
}
