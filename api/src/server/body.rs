//! Request bodies: each has a time to arrive in, and all together a budget of memory.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// Why a body is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    Slow,
    /// The bodies in hand leave no room for it.
    #[error("there is no room for the body now")]
    NoRoom,
    /// The client went away, or its chunks are none.
    #[error("the body did not arrive whole")]
    Broken,
}

/// Room for the bytes of all bodies.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// What a body takes of the budget, until the last clone is dropped.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

/// A body that arrives in time and finds room, or fails.
pub(super) struct TimedBody {
    body: Incoming,
    timeout: Duration,
    /// Started with the first wait: most bodies are there at once.
    deadline: Option<Pin<Box<Sleep>>>,
    budget: Budget,
    held: Held,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    fn take(&self, bytes: usize, held: &Held) -> Result<(), BodyFault> {
        let bytes = u32::try_from(bytes).map_err(|_| BodyFault::NoRoom)?;
        let room = Arc::clone(&self.0).try_acquire_many_owned(bytes);
        let room = room.map_err(|_| BodyFault::NoRoom)?;
        match &mut *held.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(before) => before.merge(room),
            none => *none = Some(room),
        }
        Ok(())
    }
}

impl TimedBody {
    pub(super) fn new(body: Incoming, timeout: Duration, budget: Budget) -> (Self, Held) {
        let held = Held::default();
        let timed = Self {
            body,
            timeout,
            deadline: None,
            budget,
            held: held.clone(),
        };
        (timed, held)
    }

    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let timeout = self.timeout;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
        deadline.as_mut().poll(context).is_ready()
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
        if frame.is_pending() && self.is_late(context) {
            return Poll::Ready(Some(Err(BodyFault::Slow)));
        }
        let frame = match ready!(frame) {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Poll::Ready(Some(Err(BodyFault::Broken))),
            None => return Poll::Ready(None),
        };
        let taken = frame
            .data_ref()
            .map_or(Ok(()), |data| self.budget.take(data.len(), &self.held));
        Poll::Ready(Some(taken.map(|()| frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_body_took_is_given_back_with_its_request() {
        let budget = Budget::new(10);
        let (one, other) = (Held::default(), Held::default());
        assert_eq!(budget.take(4, &one), Ok(()));
        assert_eq!(budget.take(4, &one), Ok(()));
        assert_eq!(budget.take(4, &other), Err(BodyFault::NoRoom));
        drop(one);
        assert_eq!(budget.take(10, &other), Ok(()));
    }
}
