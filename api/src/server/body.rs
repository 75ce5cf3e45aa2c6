//! Request bodies: each has a time to arrive in.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::connections::State;

/// Why a body is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    Slow,
    /// The client went away, or its chunks are none.
    #[error("the body did not arrive whole")]
    Broken,
}

/// A body that arrives in time, or fails.
pub(super) struct TimedBody {
    body: Incoming,
    timeout: Duration,
    /// Started with the first wait: most bodies are there at once.
    deadline: Option<Pin<Box<Sleep>>>,
    connection: Arc<State>,
}

impl TimedBody {
    pub(super) fn new(body: Incoming, timeout: Duration, connection: Arc<State>) -> Self {
        Self {
            body,
            timeout,
            deadline: None,
            connection,
        }
    }

    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let (timeout, connection) = (self.timeout, &self.connection);
        let deadline = self.deadline.get_or_insert_with(|| {
            connection.receiving();
            Box::pin(sleep(timeout))
        });
        deadline.as_mut().poll(context).is_ready()
    }

    /// From now on it is not the client that is waited for.
    fn arrived(&self) {
        if self.deadline.is_some() {
            self.connection.received();
        }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let mut next = self.body.frame();
        let frame = Pin::new(&mut next).poll(context);
        if frame.is_pending() {
            if !self.is_late(context) {
                return Poll::Pending;
            }
            self.arrived();
            return Poll::Ready(Some(Err(BodyFault::Slow)));
        }
        if !matches!(frame, Poll::Ready(Some(Ok(_)))) || self.body.is_end_stream() {
            self.arrived();
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(|_| BodyFault::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
