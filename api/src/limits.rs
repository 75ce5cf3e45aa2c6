//! Requests in hand: no more than so many at a time, none for longer than so long.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::problem::Problem;

/// What is allowed; cheap to clone.
#[derive(Clone)]
pub(crate) struct InHand {
    room: Arc<Semaphore>,
    longest: Duration,
}

impl InHand {
    pub(crate) fn new(requests: usize, longest: Duration) -> Self {
        Self {
            room: Arc::new(Semaphore::new(requests)),
            longest,
        }
    }
}

/// Refuses a request when there are too many, and gives it up when it takes too long.
pub(crate) async fn layer(State(in_hand): State<InHand>, request: Request, next: Next) -> Response {
    let Ok(_room) = in_hand.room.try_acquire() else {
        return Problem::overloaded("too many requests are in hand").into_response();
    };
    match timeout(in_hand.longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::overloaded("this took too long, and was given up").into_response(),
    }
}
