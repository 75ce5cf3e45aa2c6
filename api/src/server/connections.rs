//! The connections there are: no more than allowed, and those idle longest make room for new ones.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use futures_util::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{interval, timeout},
};

/// How many of the idle connections are closed at once when there is no room: finding them looks at all.
const EVICTED_SHARE: usize = 64;
/// How often it is looked again when none was idle.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How many times within the time that one may be idle it is looked which have been so for that long.
const LOOKS: u32 = 8;
/// Says that a connection is not idle.
const BUSY: u64 = u64::MAX;

/// All connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    most: usize,
    room: Arc<Semaphore>,
    started: Instant,
    open: Mutex<HashMap<u64, Arc<State>>>,
    next: AtomicU64,
}

/// What is known of one connection.
pub(super) struct State {
    started: Instant,
    /// Milliseconds from `started` until it became idle.
    idle_since: AtomicU64,
    /// Set when the server stops or it has been idle for too long, or to make room: one thing to look at whenever the
    /// connection is looked at.
    ending: AtomicBool,
    /// Of its task.
    waker: AtomicWaker,
}

/// One connection's place; free again when dropped.
pub(super) struct Connection {
    id: u64,
    state: Arc<State>,
    all: Connections,
    _room: Option<OwnedSemaphorePermit>,
}

/// Says that a connection has a request in hand, until it is dropped.
pub(super) struct WhileBusy(Arc<State>);

/// A response's body, to whose end the connection counts as busy.
pub(super) struct BusyBody {
    body: Body,
    _busy: WhileBusy,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            room: Arc::new(Semaphore::new(most)),
            started: Instant::now(),
            open: Mutex::default(),
            next: AtomicU64::default(),
        }))
    }

    /// Waits for a place, making room if there is none.
    pub(super) async fn admit(&self) -> Connection {
        let mut room = Arc::clone(&self.0.room).try_acquire_owned().ok();
        while room.is_none() {
            self.evict_idle();
            // The semaphore is never closed.
            let waited = timeout(LOOK_AGAIN, Arc::clone(&self.0.room).acquire_owned()).await;
            room = waited.ok().and_then(Result::ok);
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State::new(self.0.started));
        let mut open = self.lock();
        open.insert(id, Arc::clone(&state));
        metrics::gauge!("lapidary_connections").set(open.len() as f64);
        drop(open);
        Connection {
            id,
            state,
            all: self.clone(),
            _room: room,
        }
    }

    /// Ends those that have been idle for so long, whenever there are any: each is ended within an eighth more of that
    /// time. A timer of its own would cost every request, for most connections are busy again soon.
    pub(super) async fn end_idle(&self, longest: Duration) {
        let mut looks = interval((longest / LOOKS).max(Duration::from_millis(1)));
        loop {
            looks.tick().await;
            let open = self.lock();
            let overdue = open.values().filter(|state| state.is_idle_for(longest));
            overdue.for_each(|state| state.end());
        }
    }

    /// Ends all: those that are busy, with the answer in hand.
    pub(super) fn end_all(&self) {
        self.lock().values().for_each(|state| state.end());
    }

    fn evict_idle(&self) {
        let open = self.lock();
        let mut idle: Vec<_> = open.values().filter(|state| !state.is_busy()).collect();
        idle.sort_by_cached_key(|state| state.idle_since.load(Ordering::Relaxed));
        let some = self.0.most / EVICTED_SHARE + 1;
        for state in idle.into_iter().take(some) {
            state.end();
            metrics::counter!("lapidary_connections_evicted_total").increment(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<State>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(started: Instant) -> Self {
        let state = Self {
            started,
            idle_since: AtomicU64::default(),
            ending: AtomicBool::default(),
            waker: AtomicWaker::new(),
        };
        state.set_idle();
        state
    }

    /// Milliseconds from `started` until now.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(BUSY - 1)
    }

    fn set_idle(&self) {
        self.idle_since.store(self.now(), Ordering::Relaxed);
    }

    /// Whether it has waited for a request's head for so long.
    fn is_idle_for(&self, longest: Duration) -> bool {
        let since = self.idle_since.load(Ordering::Relaxed);
        since != BUSY && u128::from(self.now().saturating_sub(since)) >= longest.as_millis()
    }

    /// Whether it has a request in hand.
    pub(super) fn is_busy(&self) -> bool {
        self.idle_since.load(Ordering::Relaxed) == BUSY
    }

    /// Marks it as busy.
    pub(super) fn busy(self: &Arc<Self>) -> WhileBusy {
        self.idle_since.store(BUSY, Ordering::Relaxed);
        WhileBusy(Arc::clone(self))
    }

    fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Comes when it has to make room or has been idle for too long, or the server stops.
    pub(super) async fn ended(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            match self.ending.load(Ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

impl Connection {
    pub(super) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.all.lock();
        open.remove(&self.id);
        metrics::gauge!("lapidary_connections").set(open.len() as f64);
    }
}

impl WhileBusy {
    pub(super) fn until_the_end_of(self, body: Body) -> BusyBody {
        BusyBody { body, _busy: self }
    }
}

impl Drop for WhileBusy {
    fn drop(&mut self) {
        self.0.set_idle();
    }
}

impl hyper::body::Body for BusyBody {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
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

    #[tokio::test]
    async fn the_connection_idle_longest_makes_room_and_a_busy_one_never_does() {
        let connections = Connections::new(2);
        let (busy, idle) = (connections.admit().await, connections.admit().await);
        let _at_work = busy.state().busy();
        let leaving = tokio::spawn(async move {
            idle.state().ended().await;
            drop(idle);
        });
        let third = connections.admit().await;
        leaving.await.unwrap();
        assert!(!is_ending(&busy));
        assert!(!is_ending(&third));
        assert_eq!(connections.lock().len(), 2);
    }

    #[test]
    fn idleness_counts_from_the_last_answer_and_not_while_there_is_a_request() {
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        let state = Arc::new(State::new(Instant::now().checked_sub(2 * hour).unwrap()));
        assert!(!state.is_idle_for(hour), "it is fresh");
        state.idle_since.store(0, Ordering::Relaxed);
        assert!(state.is_idle_for(hour) && !state.is_idle_for(day));
        let busy = state.busy();
        assert!(!state.is_idle_for(Duration::ZERO));
        drop(busy);
        assert!(state.is_idle_for(Duration::ZERO) && !state.is_idle_for(hour));
    }

    fn is_ending(connection: &Connection) -> bool {
        connection.state().ending.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_connection_that_is_idle_for_too_long_ends_and_a_busy_one_does_not() {
        let connections = Connections::new(3);
        let (busy, idle) = (connections.admit().await, connections.admit().await);
        let _at_work = busy.state().busy();
        let (longest, idling) = (Duration::from_millis(20), idle.state());
        tokio::select! {
            () = connections.end_idle(longest) => {}
            () = idling.ended() => {}
        }
        assert!(idling.is_idle_for(longest));
        assert!(!is_ending(&busy));
        connections.end_all();
        busy.state().ended().await;
    }
}
