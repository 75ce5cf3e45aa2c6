//! How much may be in hand: requests, and bytes of large bodies and answers; in all, and of one address. Excess waits
//! briefly, then is turned away; what is too much for one address is turned away at once.
//!
//! What counts is what has arrived. A request takes its place when its body is whole, and until then holds as many bytes
//! as have come: announcing a body, or sending it slowly, costs its sender alone.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::shares::{Share, Shares};

/// Bodies and answers up to this are part of what a request may cost.
const SMALL_BYTES: u64 = 16 << 10;
/// Bytes are counted in units, for a semaphore counts to 2³² at the most.
const UNIT_BYTES: u64 = 1 << 10;
/// How many that were turned away may wait for their records.
const TURNED_AWAY: usize = 1024;
/// Places that only operators' requests take, when there is none else.
const OPERATORS: usize = 64;

/// The limits, and what is in hand.
#[derive(Debug)]
pub(super) struct Admission {
    requests: Semaphore,
    operators: Semaphore,
    requests_of: Shares<IpAddr>,
    units: Arc<Units>,
    turned_away: Semaphore,
    patience: Duration,
}

/// Bytes, in units.
#[derive(Debug)]
struct Units {
    free: Arc<Semaphore>,
    all: u64,
    of_address: Shares<IpAddr>,
    patience: Duration,
}

/// The place that a request takes, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    _request: SemaphorePermit<'a>,
    _share: Option<Share<IpAddr>>,
}

/// What a request is told.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// It is in.
    Admitted(Place<'a>),
    /// Too much is in hand: it is told so, on record.
    Overload(SemaphorePermit<'a>, Excess),
    /// Not even that can be recorded.
    Hopeless,
}

/// Where there is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// In all.
    Overall,
    /// Of the address that a request comes from.
    OfAddress,
}

/// The bytes that are held for a body that arrives, or an answer that is sent, until this is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes {
    units: Arc<Units>,
    network: Option<IpAddr>,
    bytes: u64,
    /// As many units as are held in all, and by the address.
    held: Option<OwnedSemaphorePermit>,
    shares: Vec<Share<IpAddr>>,
    held_of_address: u64,
}

impl Admission {
    /// So many requests and bytes, and this part of either for one address.
    pub(super) fn new(requests: usize, bytes: u64, address_share: f64, patience: Duration) -> Self {
        let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        let requests = requests.min(Semaphore::MAX_PERMITS);
        Self {
            requests: Semaphore::new(requests),
            operators: Semaphore::new(OPERATORS),
            requests_of: Shares::part_of(requests as u64, address_share),
            units: Arc::new(Units {
                free: Arc::new(Semaphore::new(units as usize)),
                all: units.into(),
                of_address: Shares::part_of(units.into(), address_share),
                patience,
            }),
            turned_away: Semaphore::new(TURNED_AWAY),
            patience,
        }
    }

    /// Lets a request in whose body is there. Operators, whoever that is, have places of their own.
    pub(super) async fn enter(
        &self,
        network: Option<IpAddr>,
        is_operator: impl FnOnce() -> bool + Send,
    ) -> Entry<'_> {
        let (share, excess) = match network.map(|network| self.requests_of.take(network, 1)) {
            Some(None) => (None, true),
            share => (share.flatten(), false),
        };
        let request = if excess {
            Err(Excess::OfAddress)
        } else {
            self.requests.try_acquire().map_err(|_| Excess::Overall)
        };
        match request {
            Ok(request) => Entry::Admitted(Place {
                _request: request,
                _share: share,
            }),
            Err(excess) => Box::pin(self.enter_late(share, excess, is_operator)).await,
        }
    }

    async fn enter_late(
        &self,
        share: Option<Share<IpAddr>>,
        excess: Excess,
        is_operator: impl FnOnce() -> bool,
    ) -> Entry<'_> {
        let places = match (is_operator(), excess) {
            (true, _) => &self.operators,
            (false, Excess::Overall) => &self.requests,
            (false, Excess::OfAddress) => return self.turn_away(excess),
        };
        match timeout(self.patience, places.acquire()).await {
            Ok(Ok(request)) => Entry::Admitted(Place {
                _request: request,
                _share: share,
            }),
            _ => self.turn_away(excess),
        }
    }

    /// What is told to a request for which there is no room.
    pub(super) fn turn_away(&self, excess: Excess) -> Entry<'_> {
        let permit = self.turned_away.try_acquire();
        permit.map_or(Entry::Hopeless, |permit| Entry::Overload(permit, excess))
    }

    /// Counts the bytes of a body or an answer, of which there are none yet.
    pub(super) fn bytes(&self, network: Option<IpAddr>) -> HeldBytes {
        HeldBytes {
            units: Arc::clone(&self.units),
            network,
            bytes: 0,
            held: None,
            shares: Vec::new(),
            held_of_address: 0,
        }
    }

    /// How many requests are in hand.
    pub(super) fn in_hand(&self, most: usize) -> usize {
        most.saturating_sub(self.requests.available_permits())
    }
}

impl HeldBytes {
    /// Holds so many bytes in all, if that is more than before.
    pub(super) async fn hold(&mut self, bytes: usize) -> Result<(), Excess> {
        let bytes = bytes as u64;
        if bytes <= self.bytes.max(SMALL_BYTES) {
            return Ok(());
        }
        self.bytes = bytes;
        Box::pin(self.reserve(bytes.div_ceil(UNIT_BYTES))).await
    }

    /// Whether any are held.
    pub(super) fn any(&self) -> bool {
        self.held.is_some()
    }

    /// One that is larger than all there is, or than an address' share, takes all of that.
    async fn reserve(&mut self, units: u64) -> Result<(), Excess> {
        if let Some(network) = self.network {
            let shares = &self.units.of_address;
            let more = units.min(shares.most()).saturating_sub(self.held_of_address);
            let share = shares.take(network, more).ok_or(Excess::OfAddress)?;
            self.shares.push(share);
            self.held_of_address += more;
        }
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        let more = units.min(self.units.all).saturating_sub(held);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.units.free);
        let permit = match free.try_acquire_many_owned(more) {
            Ok(permit) => permit,
            Err(_) => {
                let free = Arc::clone(&self.units.free);
                let waited = timeout(self.units.patience, free.acquire_many_owned(more)).await;
                waited.ok().and_then(Result::ok).ok_or(Excess::Overall)?
            }
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

impl Excess {
    /// Says so.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Overall => "there is more to do than can be done at once",
            Self::OfAddress => "more came from this address than one may send at once",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// Lets in one that is no operator's.
    async fn enter(admission: &Admission, network: Option<IpAddr>) -> Entry<'_> {
        admission.enter(network, || false).await
    }

    #[tokio::test]
    async fn excess_is_turned_away_and_let_in_once_there_is_room() {
        let admission = Admission::new(1, 1 << 20, 1.0, SOON);
        let first = enter(&admission, None).await;
        assert!(matches!(first, Entry::Admitted(_)));
        let excess = enter(&admission, None).await;
        assert!(matches!(excess, Entry::Overload(_, Excess::Overall)));
        drop(first);
        assert!(matches!(enter(&admission, None).await, Entry::Admitted(_)));
    }

    /// S3: the places of one address are a part of all, and operators have some of their own.
    #[tokio::test]
    async fn an_address_has_a_part_of_the_places_and_operators_have_others() {
        let admission = Admission::new(16, 1 << 20, 0.125, SOON);
        let first = enter(&admission, address(1)).await;
        let _second = enter(&admission, address(1)).await;
        let third = enter(&admission, address(1)).await;
        assert!(matches!(third, Entry::Overload(_, Excess::OfAddress)));
        let operator = admission.enter(address(1), || true).await;
        assert!(matches!(operator, Entry::Admitted(_)));
        assert!(matches!(enter(&admission, address(2)).await, Entry::Admitted(_)));
        drop(first);
        assert!(matches!(enter(&admission, address(1)).await, Entry::Admitted(_)));
    }

    /// S4: bytes count when they arrive, in all and for the address that they come from.
    #[tokio::test]
    async fn bytes_are_held_as_they_arrive_and_cost_their_sender_first() {
        let admission = Admission::new(10, 800 << 10, 0.125, SOON);
        let mut announced = admission.bytes(address(1));
        announced.hold(10).await.unwrap();
        assert_eq!(
            admission.units.free.available_permits(),
            800,
            "small ones are free"
        );
        announced.hold(80 << 10).await.unwrap();
        assert_eq!(admission.units.free.available_permits(), 800 - 80);
        let mut more = admission.bytes(address(1));
        assert_eq!(more.hold(30 << 10).await, Err(Excess::OfAddress));
        let mut other = admission.bytes(address(2));
        other.hold(99 << 10).await.unwrap();
        drop(announced);
        assert_eq!(more.hold(31 << 10).await, Ok(()));
        drop((other, more));
        assert_eq!(admission.units.free.available_permits(), 800);
    }

    #[tokio::test]
    async fn large_bodies_share_what_there_is_and_one_that_is_larger_has_it_alone() {
        let admission = Admission::new(10, 100 << 10, 1.0, SOON);
        let (mut large, mut other) = (admission.bytes(None), admission.bytes(None));
        large.hold(1 << 30).await.unwrap();
        large.hold(2 << 30).await.unwrap();
        assert_eq!(other.hold(50 << 10).await, Err(Excess::Overall));
        assert!(matches!(enter(&admission, None).await, Entry::Admitted(_)));
        drop(large);
        let mut halves = [admission.bytes(None), admission.bytes(address(1))];
        for half in &mut halves {
            half.hold(50 << 10).await.unwrap();
        }
    }

    #[tokio::test]
    async fn those_turned_away_are_bounded_too() {
        let admission = Admission::new(0, 0, 1.0, SOON);
        let mut away = Vec::new();
        for _ in 0..TURNED_AWAY {
            away.push(admission.turned_away.try_acquire().unwrap());
        }
        assert!(matches!(enter(&admission, None).await, Entry::Hopeless));
    }
}
