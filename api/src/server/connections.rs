//! The connections there are: no more than allowed, of one address a part of them, and those that wait longest for their
//! clients make room for new ones.

use std::{
    cmp::Reverse,
    collections::HashMap,
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
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

use super::Peer;
use crate::shares::{Share, Shares};

/// How many connections are closed at once when there is no room: finding them looks at all.
const EVICTED_SHARE: usize = 64;
/// How often it is looked again when none could be closed.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How many times within the time that one may be idle it is looked which have been so for that long.
const LOOKS: u32 = 8;

/// Waits for a request's head.
const IDLE: u8 = 0;
/// Waits for a request's body.
const RECEIVING: u8 = 1;
/// Has a request in hand.
const BUSY: u8 = 2;
/// The answer is made, and not all of it is written yet.
const SENDING: u8 = 3;

/// All connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    most: usize,
    room: Arc<Semaphore>,
    of_address: Shares<IpAddr>,
    started: Instant,
    open: Mutex<HashMap<u64, Arc<State>>>,
    next: AtomicU64,
}

/// What is known of one connection.
pub(super) struct State {
    address: IpAddr,
    started: Instant,
    /// One of the four above.
    phase: AtomicU8,
    /// Milliseconds from `started` until it began to wait for its client, in the phases in which it does.
    waiting_since: AtomicU64,
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
    _share: Option<Share<IpAddr>>,
}

/// Says that a connection has a request in hand, until it is dropped.
pub(super) struct WhileBusy(Arc<State>);

/// A response's body, to whose end the connection counts as busy.
pub(super) struct BusyBody {
    body: Body,
    _busy: WhileBusy,
}

impl Connections {
    /// So many at the most, and this part of them of one address.
    pub(super) fn new(most: usize, address_share: f64) -> Self {
        Self(Arc::new(Inner {
            most,
            room: Arc::new(Semaphore::new(most)),
            of_address: Shares::part_of(most as u64, address_share),
            started: Instant::now(),
            open: Mutex::default(),
            next: AtomicU64::default(),
        }))
    }

    /// Waits for a place, making room if there is none; nothing when the client's address has its share already.
    pub(super) async fn admit(&self, peer: &Peer) -> Option<Connection> {
        let share = peer.network.map(|network| self.0.of_address.take(network, 1));
        let share = match share {
            Some(None) => {
                metrics::counter!("lapidary_connections_refused_total").increment(1);
                return None;
            }
            share => share.flatten(),
        };
        let mut room = Arc::clone(&self.0.room).try_acquire_owned().ok();
        while room.is_none() {
            self.evict();
            // The semaphore is never closed.
            let waited = timeout(LOOK_AGAIN, Arc::clone(&self.0.room).acquire_owned()).await;
            room = waited.ok().and_then(Result::ok);
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State::new(peer.address, self.0.started));
        let mut open = self.lock();
        open.insert(id, Arc::clone(&state));
        metrics::gauge!("lapidary_connections").set(open.len() as f64);
        drop(open);
        Some(Connection {
            id,
            state,
            all: self.clone(),
            _room: room,
            _share: share,
        })
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

    /// Ends some that wait for their clients, whether for a request's head or for its body. Those of the address that has
    /// most connections go first, so that one that opens many closes its own.
    fn evict(&self) {
        let open = self.lock();
        let mut of_address: HashMap<IpAddr, usize> = HashMap::new();
        for state in open.values() {
            *of_address.entry(state.address).or_default() += 1;
        }
        let mut waiting: Vec<_> = open.values().filter(|state| !state.is_busy()).collect();
        waiting.sort_by_cached_key(|state| {
            let since = state.waiting_since.load(Ordering::Relaxed);
            (Reverse(of_address.get(&state.address).copied()), since)
        });
        let some = self.0.most / EVICTED_SHARE + 1;
        for state in waiting.into_iter().take(some) {
            state.end();
            metrics::counter!("lapidary_connections_evicted_total").increment(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<State>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(address: IpAddr, started: Instant) -> Self {
        let state = Self {
            address,
            started,
            phase: AtomicU8::new(IDLE),
            waiting_since: AtomicU64::default(),
            ending: AtomicBool::default(),
            waker: AtomicWaker::new(),
        };
        state.wait_for_client(IDLE);
        state
    }

    /// Milliseconds from `started` until now.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait_for_client(&self, phase: u8) {
        self.waiting_since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Release);
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Acquire)
    }

    /// Whether it has waited for a request's head for so long.
    fn is_idle_for(&self, longest: Duration) -> bool {
        let since = self.waiting_since.load(Ordering::Relaxed);
        self.is_idle() && u128::from(self.now().saturating_sub(since)) >= longest.as_millis()
    }

    /// Whether it waits for a request's head.
    pub(super) fn is_idle(&self) -> bool {
        self.phase() == IDLE
    }

    /// Whether a request of which all has arrived is in hand, or its answer is being sent.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.phase(), BUSY | SENDING)
    }

    /// Marks it as busy.
    pub(super) fn busy(self: &Arc<Self>) -> WhileBusy {
        self.phase.store(BUSY, Ordering::Release);
        WhileBusy(Arc::clone(self))
    }

    /// A request's body is waited for.
    pub(super) fn receiving(&self) {
        self.wait_for_client(RECEIVING);
    }

    /// There is no more of it to wait for.
    pub(super) fn received(&self) {
        // It may come when the answer is on its way already.
        let _ = self
            .phase
            .compare_exchange(RECEIVING, BUSY, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// All that there was to write is written.
    pub(super) fn flushed(&self) {
        if self.phase() == SENDING {
            self.wait_for_client(IDLE);
        }
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

/// The HTTP library has all of the answer then, and may still have to write it.
impl Drop for WhileBusy {
    fn drop(&mut self) {
        self.0.phase.store(SENDING, Ordering::Release);
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
mod tests;
