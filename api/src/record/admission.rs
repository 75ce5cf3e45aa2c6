//! How much may be in hand: requests, and bytes of large bodies. Excess waits briefly, then is turned away.

use std::time::Duration;

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// Bodies up to this are part of what a request may cost.
const SMALL_BYTES: u64 = 16 << 10;
/// Bytes are counted in units, for a semaphore counts to 2³² at the most.
const UNIT_BYTES: u64 = 1 << 10;
/// How many that were turned away may wait for their records.
const TURNED_AWAY: usize = 1024;

/// The limits, and what is in hand.
#[derive(Debug)]
pub(super) struct Admission {
    requests: Semaphore,
    units: Semaphore,
    all_units: u32,
    turned_away: Semaphore,
    patience: Duration,
}

/// The room that a request takes, until it is dropped.
#[derive(Debug)]
pub(super) struct Room<'a> {
    _request: SemaphorePermit<'a>,
    _bytes: Option<SemaphorePermit<'a>>,
}

/// What a request is told.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// It is in.
    Admitted(Room<'a>),
    /// Too much is in hand: it is told so, on record.
    Overload(SemaphorePermit<'a>),
    /// Not even that can be recorded.
    Hopeless,
}

impl Admission {
    pub(super) fn new(requests: usize, bytes: u64, patience: Duration) -> Self {
        let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        Self {
            requests: Semaphore::new(requests.min(Semaphore::MAX_PERMITS)),
            units: Semaphore::new(units as usize),
            all_units: units,
            turned_away: Semaphore::new(TURNED_AWAY),
            patience,
        }
    }

    /// Lets a request in whose body has at most `bytes`.
    pub(super) async fn enter(&self, bytes: u64) -> Entry<'_> {
        let Ok(request) = self.requests.try_acquire() else {
            return Box::pin(self.wait(bytes)).await;
        };
        if bytes <= SMALL_BYTES {
            return Entry::Admitted(Room {
                _request: request,
                _bytes: None,
            });
        }
        drop(request);
        Box::pin(self.wait(bytes)).await
    }

    async fn wait(&self, bytes: u64) -> Entry<'_> {
        let room = async {
            let request = self.requests.acquire().await.ok()?;
            let bytes = match self.units_of(bytes) {
                0 => None,
                units => Some(self.units.acquire_many(units).await.ok()?),
            };
            Some(Room {
                _request: request,
                _bytes: bytes,
            })
        };
        match timeout(self.patience, room).await {
            Ok(Some(room)) => Entry::Admitted(room),
            _ => self
                .turned_away
                .try_acquire()
                .map_or(Entry::Hopeless, Entry::Overload),
        }
    }

    /// One that is larger than all there is takes all there is.
    fn units_of(&self, bytes: u64) -> u32 {
        if bytes <= SMALL_BYTES {
            return 0;
        }
        u32::try_from(bytes / UNIT_BYTES)
            .unwrap_or(u32::MAX)
            .min(self.all_units)
    }

    /// How many requests are in hand.
    pub(super) fn in_hand(&self, most: usize) -> usize {
        most.saturating_sub(self.requests.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn excess_is_turned_away_and_let_in_once_there_is_room() {
        let admission = Admission::new(1, 1 << 20, SOON);
        let first = admission.enter(10).await;
        assert!(matches!(first, Entry::Admitted(_)));
        assert!(matches!(admission.enter(10).await, Entry::Overload(_)));
        drop(first);
        assert!(matches!(admission.enter(10).await, Entry::Admitted(_)));
    }

    #[tokio::test]
    async fn large_bodies_share_what_there_is_and_one_that_is_larger_has_it_alone() {
        let admission = Admission::new(10, 100 << 10, SOON);
        let large = admission.enter(1 << 30).await;
        assert!(matches!(large, Entry::Admitted(_)));
        assert!(matches!(admission.enter(50 << 10).await, Entry::Overload(_)));
        assert!(matches!(admission.enter(10).await, Entry::Admitted(_)));
        drop(large);
        let halves = [admission.enter(50 << 10).await, admission.enter(50 << 10).await];
        assert!(matches!(halves, [Entry::Admitted(_), Entry::Admitted(_)]));
    }

    #[tokio::test]
    async fn those_turned_away_are_bounded_too() {
        let admission = Admission::new(0, 0, SOON);
        let mut away = Vec::new();
        for _ in 0..TURNED_AWAY {
            away.push(admission.turned_away.try_acquire().unwrap());
        }
        assert!(matches!(admission.enter(10).await, Entry::Hopeless));
    }
}
