//! How often a caller may call: so many requests a second, evenly refilled (GCRA), per key and per address.
//!
//! Answers say how it stands by the fields of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` and
//! `RateLimit`. Memory is bounded: past [`MOST_CALLERS`] those that have not called lately are forgotten, and if
//! that does not help, new callers share one rate.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
};

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

use crate::problem::Problem;

/// Callers of one sort that are told apart; each takes some 100 bytes.
const MOST_CALLERS: usize = 100_000;

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// The rates of all callers.
pub(crate) struct Rates {
    keys: Option<Caller<Uuid>>,
    addresses: Option<Caller<IpAddr>>,
    limit_loopback: bool,
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
    pub(crate) fn new(
        per_key: Option<NonZeroU32>,
        per_address: Option<NonZeroU32>,
        limit_loopback: bool,
    ) -> Self {
        Self {
            keys: per_key.map(|per_second| Caller::new("key", per_second)),
            addresses: per_address.map(|per_second| Caller::new("address", per_second)),
            limit_loopback,
        }
    }

    /// Counts a request with this key.
    pub(crate) fn of_key(&self, key: Uuid) -> Rate {
        self.keys.as_ref().map_or(Rate::Unlimited, |keys| keys.count(key))
    }

    /// Counts a request from this address; of IPv6, the network of 64 bits that a customer gets.
    pub(crate) fn of_address(&self, address: IpAddr) -> Rate {
        let address = address.to_canonical();
        if address.is_loopback() && !self.limit_loopback {
            return Rate::Unlimited;
        }
        let network = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        };
        self.addresses
            .as_ref()
            .map_or(Rate::Unlimited, |addresses| addresses.count(network))
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

    fn count(&self, caller: K) -> Rate {
        if self.limiter.len() >= MOST_CALLERS {
            self.limiter.retain_recent();
        }
        let crowded = self.limiter.len() >= MOST_CALLERS;
        match self.limiter.check_key(&Some(caller).filter(|_| !crowded)) {
            Ok(snapshot) => Rate::Left(self.standing(&snapshot)),
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.limiter.clock().now());
                Rate::Exceeded(Standing {
                    policy: self.name,
                    quota: self.per_second.get(),
                    remaining: 0,
                    wait_seconds: wait.as_secs() + 1,
                })
            }
        }
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
        let detail = format!("more than {quota} requests a second came from this {policy}; wait a moment");
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
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(rate: &Rate) -> Option<u32> {
        match rate {
            Rate::Left(standing) => Some(standing.remaining),
            Rate::Unlimited | Rate::Exceeded(_) => None,
        }
    }

    #[test]
    fn each_caller_has_a_rate_of_its_own() {
        let rates = Rates::new(NonZeroU32::new(2), NonZeroU32::new(1), true);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(left(&rates.of_key(one)), Some(1));
        assert_eq!(left(&rates.of_key(one)), Some(0));
        assert!(matches!(rates.of_key(one), Rate::Exceeded(_)));
        assert_eq!(left(&rates.of_key(other)), Some(1));
        let address = |text: &str| rates.of_address(text.parse().unwrap());
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
        let rates = Rates::new(None, NonZeroU32::new(1), false);
        for _ in 0..3 {
            assert!(matches!(
                rates.of_address("127.0.0.1".parse().unwrap()),
                Rate::Unlimited
            ));
            assert!(matches!(rates.of_key(Uuid::nil()), Rate::Unlimited));
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_again() {
        let rates = Rates::new(NonZeroU32::new(1), None, false);
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
}
