//! Shares: how much each caller holds at the moment of something of which there is a limited amount.
//!
//! Memory is bounded by what is held: a caller that holds nothing takes none.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What callers hold, at most so much each.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    most: u64,
    held: Held<K>,
}

type Held<K> = Arc<Mutex<HashMap<K, u64>>>;

/// What one caller holds by this, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share<K: Copy + Eq + Hash> {
    caller: K,
    amount: u64,
    held: Held<K>,
}

impl<K: Copy + Eq + Hash> Shares<K> {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            most,
            held: Arc::default(),
        }
    }

    /// This part of `all` for each caller, at least one.
    pub(crate) fn part_of(all: u64, part: f64) -> Self {
        Self::new(((all as f64 * part) as u64).max(1))
    }

    /// The most that one caller may hold.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Takes so much more for a caller; nothing when it would hold too much then.
    pub(crate) fn take(&self, caller: K, amount: u64) -> Option<Share<K>> {
        let mut held = lock(&self.held);
        let before = held.get(&caller).copied().unwrap_or_default();
        let after = before.saturating_add(amount);
        if after > self.most {
            return None;
        }
        held.insert(caller, after);
        drop(held);
        Some(Share {
            caller,
            amount,
            held: Arc::clone(&self.held),
        })
    }
}

impl<K: Copy + Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        let Some(there) = held.get_mut(&self.caller) else {
            return;
        };
        *there = there.saturating_sub(self.amount);
        if *there == 0 {
            held.remove(&self.caller);
        }
    }
}

fn lock<K>(held: &Mutex<HashMap<K, u64>>) -> MutexGuard<'_, HashMap<K, u64>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_a_share_of_its_own_and_what_is_dropped_is_free_again() {
        let shares = Shares::part_of(16, 0.125);
        let (first, second) = (shares.take("a", 1).unwrap(), shares.take("a", 1).unwrap());
        assert!(shares.take("a", 1).is_none());
        assert!(shares.take("b", 2).is_some());
        drop(first);
        assert!(shares.take("a", 2).is_none());
        drop(second);
        assert!(shares.take("a", 2).is_some());
        assert!(lock(&shares.held).is_empty());
    }

    #[test]
    fn a_share_is_never_nothing() {
        assert_eq!(Shares::<u8>::part_of(3, 0.01).most(), 1);
    }
}
