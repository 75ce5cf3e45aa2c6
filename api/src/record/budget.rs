//! How many bytes of one caller go on record: so many a minute, evenly refilled (GCRA), per key and per address. Beyond
//! it a record keeps beginnings and digests.
//!
//! Memory is bounded as that of rates is: past [`MOST_CALLERS`] those that have not called lately are forgotten, once a
//! second at the most, and if that does not help, new callers share one budget.

use std::{
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::traffic::TrafficRecord;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uuid::Uuid;

use super::capture::{BEYOND_BUDGET, shorten};
use crate::access::Counted;

/// Callers of one sort that are told apart; each takes some 100 bytes.
const MOST_CALLERS: usize = 100_000;
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// What is kept of each body beyond the budget.
const PREFIX_BYTES: usize = 256;

/// The budgets of all callers.
pub(super) struct Budgets {
    keys: Option<Budget<Uuid>>,
    addresses: Option<Budget<IpAddr>>,
}

impl Budgets {
    /// Bytes a minute for each key and for each address; none for any number.
    pub(super) fn new(per_key: Option<NonZeroU32>, per_address: Option<NonZeroU32>) -> Self {
        Self {
            keys: per_key.map(Budget::new),
            addresses: per_address.map(Budget::new),
        }
    }

    /// Counts what a record keeps; leaves less of it when its caller's budget is used up.
    pub(super) fn apply(&self, caller: Option<Counted>, record: &mut TrafficRecord) {
        let bytes = || kept_bytes(record);
        let is_within = match caller {
            Some(Counted::Key(key)) => self.keys.as_ref().is_none_or(|it| it.has(key, bytes())),
            Some(Counted::Address(address)) => {
                let addresses = self.addresses.as_ref();
                addresses.is_none_or(|it| it.has(address, bytes()))
            }
            None => true,
        };
        if !is_within {
            metrics::counter!("lapidary_traffic_beyond_budget_total").increment(1);
            shorten(record, &BEYOND_BUDGET);
            record.request_body.shorten(PREFIX_BYTES);
            record.response_body.shorten(PREFIX_BYTES);
        }
    }
}

/// Whatever a client can make longer.
fn kept_bytes(record: &TrafficRecord) -> usize {
    let headers: usize = record.request_headers.iter().map(|(_, value)| value.len()).sum();
    let query = record.query.as_ref().map_or(0, String::len);
    let bodies = record.request_body.bytes.len() + record.response_body.bytes.len();
    record.path.len() + query + headers + bodies
}

/// That of one sort of callers.
struct Budget<K: Clone + Hash + Eq> {
    limiter: DefaultKeyedRateLimiter<Option<K>>,
    swept: Mutex<Option<Instant>>,
}

impl<K: Clone + Hash + Eq> Budget<K> {
    fn new(bytes_per_minute: NonZeroU32) -> Self {
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(bytes_per_minute)),
            swept: Mutex::default(),
        }
    }

    /// Takes so many bytes, unless there are fewer.
    fn has(&self, caller: K, bytes: usize) -> bool {
        let is_crowded = self.limiter.len() >= MOST_CALLERS && !self.sweep();
        let caller = Some(caller).filter(|_| !is_crowded);
        let Some(bytes) = u32::try_from(bytes).ok().map(NonZeroU32::new) else {
            return false;
        };
        bytes.is_none_or(|bytes| matches!(self.limiter.check_key_n(&caller, bytes), Ok(Ok(()))))
    }

    /// Forgets who has all of it again; whether there is room then.
    fn sweep(&self) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            self.limiter.retain_recent();
            *swept = Some(Instant::now());
        }
        self.limiter.len() < MOST_CALLERS
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use bytes::Bytes;
    use chrono::DateTime;
    use domain::traffic::{BodyDigest, RecordedBody};

    use super::{super::capture::draft, *};

    fn record(body: usize) -> TrafficRecord {
        let (head, ()) = Request::new(()).into_parts();
        let mut record = draft(&head, Uuid::nil(), DateTime::UNIX_EPOCH);
        record.request_body = RecordedBody::whole(Bytes::from(vec![b'x'; body]));
        record
    }

    /// How many bytes are kept of a body of this caller.
    fn kept(budgets: &Budgets, caller: Option<Counted>, body: usize) -> usize {
        let mut record = record(body);
        budgets.apply(caller, &mut record);
        if record.request_body.bytes.len() < body {
            assert_eq!(
                record.request_body.digest,
                Some(BodyDigest::of(&vec![b'x'; body]))
            );
        }
        record.request_body.bytes.len()
    }

    /// S2: whoever sends more than the budget leaves beginnings, and nobody else does.
    #[test]
    fn each_caller_has_a_budget_of_its_own() {
        let budgets = Budgets::new(NonZeroU32::new(100_000), NonZeroU32::new(10_000));
        let address = |last| Some(Counted::Address(IpAddr::from([192, 0, 2, last])));
        assert_eq!(kept(&budgets, address(1), 9000), 9000);
        assert_eq!(kept(&budgets, address(1), 9000), PREFIX_BYTES);
        assert_eq!(kept(&budgets, address(2), 9000), 9000);
        let key = Some(Counted::Key(Uuid::nil()));
        assert_eq!(kept(&budgets, key, 90_000), 90_000);
        assert_eq!(kept(&budgets, key, 90_000), PREFIX_BYTES);
        assert_eq!(
            kept(&budgets, key, 200_000),
            PREFIX_BYTES,
            "more than there ever is"
        );
        for _ in 0..10 {
            assert_eq!(kept(&budgets, None, 90_000), 90_000);
        }
    }
}
