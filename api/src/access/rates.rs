//! How often a caller may call: so many requests a second, evenly refilled (GCRA), per key and per address. A batch
//! counts by its diamonds.
//!
//! Answers say how it stands by the fields of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` and
//! `RateLimit`. Memory is bounded: past [`MOST_CALLERS`] those that have not called lately are forgotten, and if
//! that does not help, new callers share one rate.

use std::{net::IpAddr, num::NonZeroU32};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::{StateInformationMiddleware, StateSnapshot},
    state::keyed::DefaultKeyedStateStore,
};
use uuid::Uuid;

use super::Counted;
use crate::problem::Problem;

/// Callers of one sort that are told apart; each takes some 100 bytes.
const MOST_CALLERS: usize = 100_000;
/// Diamonds of a batch that count as one request.
const DIAMONDS_A_REQUEST: usize = 50;
const ONE: NonZeroU32 = NonZeroU32::MIN;

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// The rates of all callers.
pub(crate) struct Rates {
    keys: Option<Caller<Uuid>>,
    addresses: Option<Caller<IpAddr>>,
}

/// One sort of callers.
struct Caller<K: Clone + std::hash::Hash + Eq> {
    name: &'static str,
    per_second: NonZeroU32,
    limiter: Limiter<Option<K>>,
}

/// How a caller's rate stands after a request.
pub(crate) enum Rate {
    /// Nobody counts.
    Unlimited,
    /// There is more.
    Left(Standing),
    /// This request is one too many.
    Exceeded(Standing),
}

/// The numbers behind it.
pub(crate) struct Standing {
    policy: &'static str,
    quota: u32,
    remaining: u32,
    wait_seconds: u64,
}

impl Rates {
    /// Requests a second for each key and for each address; none for any number.
    pub(crate) fn new(per_key: Option<NonZeroU32>, per_address: Option<NonZeroU32>) -> Self {
        Self {
            keys: per_key.map(|per_second| Caller::new("key", per_second)),
            addresses: per_address.map(|per_second| Caller::new("address", per_second)),
        }
    }

    /// Counts a request with this key.
    pub(crate) fn of_key(&self, key: Uuid) -> Rate {
        let keys = self.keys.as_ref();
        keys.map_or(Rate::Unlimited, |keys| keys.count(key, ONE))
    }

    /// Counts a request from this address; none has no limit.
    pub(crate) fn of_address(&self, network: Option<IpAddr>) -> Rate {
        let limited = self.addresses.as_ref().zip(network);
        limited.map_or(Rate::Unlimited, |(addresses, network)| {
            addresses.count(network, ONE)
        })
    }

    /// Counts what a batch of so many diamonds costs beyond the request that was counted already; none where it costs
    /// no more.
    pub(crate) fn of_batch(&self, caller: Option<Counted>, diamonds: usize) -> Option<Rate> {
        match caller? {
            Counted::Key(key) => self.keys.as_ref()?.count_batch(key, diamonds),
            Counted::Address(network) => self.addresses.as_ref()?.count_batch(network, diamonds),
        }
    }
}

impl<K: Clone + std::hash::Hash + Eq> Caller<K> {
    fn new(name: &'static str, per_second: NonZeroU32) -> Self {
        let limiter = RateLimiter::keyed(Quota::per_second(per_second));
        Self {
            name,
            per_second,
            limiter: limiter.with_middleware::<StateInformationMiddleware>(),
        }
    }

    /// None costs more than half of the quota: whoever asks for a price now and then as well would never have all of it.
    fn count_batch(&self, caller: K, diamonds: usize) -> Option<Rate> {
        let requests = u32::try_from(diamonds.div_ceil(DIAMONDS_A_REQUEST)).unwrap_or(u32::MAX);
        let most = self.per_second.get().div_ceil(2);
        let more = requests.min(most).saturating_sub(1);
        NonZeroU32::new(more).map(|more| self.count(caller, more))
    }

    fn count(&self, caller: K, requests: NonZeroU32) -> Rate {
        if self.limiter.len() >= MOST_CALLERS {
            self.limiter.retain_recent();
        }
        let crowded = self.limiter.len() >= MOST_CALLERS;
        let caller = Some(caller).filter(|_| !crowded);
        match self.limiter.check_key_n(&caller, requests) {
            Ok(Ok(snapshot)) => Rate::Left(self.standing(&snapshot)),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.limiter.clock().now());
                self.exceeded(wait.as_secs() + 1)
            }
            Err(_) => self.exceeded(1),
        }
    }

    fn exceeded(&self, wait_seconds: u64) -> Rate {
        Rate::Exceeded(Standing {
            policy: self.name,
            quota: self.per_second.get(),
            remaining: 0,
            wait_seconds,
        })
    }

    fn standing(&self, snapshot: &StateSnapshot) -> Standing {
        Standing {
            policy: self.name,
            quota: self.per_second.get(),
            remaining: snapshot.remaining_burst_capacity(),
            wait_seconds: 1,
        }
    }
}

impl Rate {
    /// Says in an answer how the caller's rate stands.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        match self {
            Self::Unlimited => {}
            Self::Left(standing) | Self::Exceeded(standing) => standing.tell(headers),
        }
    }
}

impl Standing {
    /// The refusal of one request too many.
    pub(crate) fn refused(&self) -> Response {
        let (quota, policy) = (self.quota, self.policy);
        let detail = format!(
            "more than {quota} requests a second came from this {policy} (a batch counts one for each \
             {DIAMONDS_A_REQUEST} diamonds, at most half of them); wait a moment"
        );
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(self.wait_seconds);
        let mut response = problem.into_response();
        self.tell(response.headers_mut());
        response
    }

    fn tell(&self, headers: &mut HeaderMap) {
        let (policy, quota, remaining) = (self.policy, self.quota, self.remaining);
        let seconds = self.wait_seconds;
        for (name, value) in [
            ("ratelimit-policy", format!("\"{policy}\";q={quota};w=1")),
            ("ratelimit", format!("\"{policy}\";r={remaining};t={seconds}")),
        ] {
            // A batch has told already how it stands after all of it.
            if let (false, Ok(value)) = (headers.contains_key(name), HeaderValue::from_str(&value)) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::network, *};

    fn left(rate: &Rate) -> Option<u32> {
        match rate {
            Rate::Left(standing) => Some(standing.remaining),
            Rate::Unlimited | Rate::Exceeded(_) => None,
        }
    }

    #[test]
    fn each_caller_has_a_rate_of_its_own() {
        let rates = Rates::new(NonZeroU32::new(2), NonZeroU32::new(1));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(left(&rates.of_key(one)), Some(1));
        assert_eq!(left(&rates.of_key(one)), Some(0));
        assert!(matches!(rates.of_key(one), Rate::Exceeded(_)));
        assert_eq!(left(&rates.of_key(other)), Some(1));
        let address = |text: &str| rates.of_address(network(text.parse().unwrap(), true));
        assert_eq!(left(&address("2001:db8::1")), Some(0));
        assert!(
            matches!(address("2001:db8::ffff"), Rate::Exceeded(_)),
            "the same network"
        );
        assert_eq!(left(&address("127.0.0.1")), Some(0));
        assert!(
            matches!(address("::ffff:127.0.0.1"), Rate::Exceeded(_)),
            "the same address"
        );
    }

    #[test]
    fn loopback_has_no_limit_unless_it_is_wanted() {
        let rates = Rates::new(None, NonZeroU32::new(1));
        for _ in 0..3 {
            let own = network("127.0.0.1".parse().unwrap(), false);
            assert!(matches!(rates.of_address(own), Rate::Unlimited));
            assert!(matches!(rates.of_key(Uuid::nil()), Rate::Unlimited));
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_again() {
        let rates = Rates::new(NonZeroU32::new(1), None);
        let _first = rates.of_key(Uuid::nil());
        let Rate::Exceeded(standing) = rates.of_key(Uuid::nil()) else {
            panic!("not refused")
        };
        let refused = standing.refused();
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(refused.headers()["ratelimit-policy"], "\"key\";q=1;w=1");
        assert_eq!(refused.headers()["ratelimit"], "\"key\";r=0;t=1");
    }

    /// S16: what counts is diamonds, not requests.
    #[test]
    fn a_batch_counts_by_its_diamonds() {
        let key = Uuid::from_u128(1);
        let rates = Rates::new(NonZeroU32::new(10), None);
        let batch = |diamonds| rates.of_batch(Some(Counted::Key(key)), diamonds);
        assert_eq!(left(&rates.of_key(key)), Some(9));
        assert!(batch(50).is_none(), "it costs the request that was counted");
        assert_eq!(batch(201).as_ref().and_then(left), Some(5));
        assert_eq!(left(&rates.of_key(key)), Some(4));
        assert_eq!(batch(10_000).as_ref().and_then(left), Some(0), "at most half");
        assert!(matches!(batch(10_000), Some(Rate::Exceeded(_))));
        let other = Uuid::from_u128(2);
        assert_eq!(left(&rates.of_key(other)), Some(9));
        let whole = rates.of_batch(Some(Counted::Key(other)), 10_000);
        assert_eq!(whole.as_ref().and_then(left), Some(5));
        assert!(rates.of_batch(None, 10_000).is_none());
    }
}
