//! Reading the registry. Strangers share half of the connections to Postgres, and each has a part of that half, so that
//! operators, and what this service asks by itself, need not wait behind them.

use std::{
    collections::HashMap,
    net::IpAddr,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use storage::Database;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{access::Caller, problem::Problem, service::App, shares::Shares};

/// How long a stranger waits for a place.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Of one address, at work or waiting for a place among all; more wait for these.
const PER_ADDRESS: usize = 2;
/// Of one address, waiting for either; each holds a request's place for as long.
const WAITING_PER_ADDRESS: u64 = 16;
/// With so many addresses it is looked which of them are still there.
const MANY: usize = 1000;

/// The places for strangers.
pub(crate) struct Readers {
    places: Arc<Semaphore>,
    of_address: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
    waiting: Shares<IpAddr>,
    patience: Duration,
}

/// A place among them, until it is dropped.
struct Place {
    _place: OwnedSemaphorePermit,
    _of_address: Option<OwnedSemaphorePermit>,
}

/// The registry, for the caller of a request.
pub(crate) struct Registry {
    database: Database,
    _place: Option<Place>,
}

impl Readers {
    /// Of so many connections, half are for strangers.
    pub(crate) fn new(connections: u32, patience: Duration) -> Self {
        let places = usize::try_from(connections / 2).unwrap_or(1).max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            of_address: Mutex::default(),
            waiting: Shares::new(WAITING_PER_ADDRESS),
            patience,
        }
    }

    /// Waits for a place: first for one of the address' own, so that it does not fill the queue for all. When too many
    /// of the address wait already, it is refused at once.
    async fn enter(&self, network: Option<IpAddr>) -> Result<Place, Problem> {
        let waiting = network.map(|network| self.waiting.take(network, 1).ok_or_else(busy));
        let _waiting = waiting.transpose()?;
        let own = network.map(|network| self.places_of(network));
        let entering = async {
            let of_address = match own {
                Some(own) => Some(own.acquire_owned().await.ok()?),
                None => None,
            };
            let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
            Some(Place {
                _place: place,
                _of_address: of_address,
            })
        };
        let entered = timeout(self.patience, entering).await.ok().flatten();
        entered.ok_or_else(busy)
    }

    /// Waits for a place for as long as it takes, for what nobody waits for.
    pub(crate) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// The places of an address, which last for as long as it uses them.
    fn places_of(&self, network: IpAddr) -> Arc<Semaphore> {
        let mut all = self.of_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = all.get(&network).and_then(Weak::upgrade) {
            return there;
        }
        if all.len() >= MANY {
            all.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(PER_ADDRESS));
        all.insert(network, Arc::downgrade(&places));
        places
    }
}

fn busy() -> Problem {
    Problem::overloaded("too many requests read the registry at once")
}

impl App {
    /// The registry, for whoever has shown no operator's key.
    pub(crate) async fn registry_for_strangers(&self, network: Option<IpAddr>) -> Result<Registry, Problem> {
        let database = self.registry()?.clone();
        let place = self.readers.enter(network).await?;
        Ok(Registry {
            database,
            _place: Some(place),
        })
    }
}

impl Deref for Registry {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl FromRequestParts<App> for Registry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(caller) = Caller::from_request_parts(parts, app).await;
        if !caller.is_operator() {
            return app.registry_for_strangers(caller.network()).await;
        }
        Ok(Self {
            database: app.registry()?.clone(),
            _place: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S6: strangers' queries leave connections to operators, and one address leaves places to others.
    #[tokio::test]
    async fn strangers_have_half_of_the_connections_and_one_address_a_part_of_that() {
        let readers = Readers::new(6, Duration::from_millis(10));
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        let mut places = Vec::new();
        for _ in 0..PER_ADDRESS {
            places.push(readers.enter(address(1)).await.ok().unwrap());
        }
        assert!(readers.enter(address(1)).await.is_err());
        places.push(readers.enter(address(2)).await.ok().unwrap());
        assert_eq!(readers.places.available_permits(), 0, "half of six are taken");
        assert!(
            readers.enter(address(3)).await.is_err(),
            "it has waited for long enough"
        );
        drop(places);
        assert!(readers.enter(address(1)).await.is_ok());
    }

    /// Those that wait hold places of requests: of one address there are a few, and the next is refused at once.
    #[tokio::test]
    async fn a_few_of_one_address_wait_and_others_are_not_kept_out_by_them() {
        let readers = Readers::new(100, Duration::from_secs(3600));
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let most = WAITING_PER_ADDRESS;
        let waiting: Vec<_> = (0..most).map(|_| readers.waiting.take(address(1), 1)).collect();
        assert!(readers.enter(Some(address(1))).await.is_err(), "without waiting");
        assert!(readers.enter(Some(address(2))).await.is_ok());
        drop(waiting);
        for _ in 0..2 * most {
            assert!(
                readers.enter(Some(address(1))).await.is_ok(),
                "whoever has entered waits no more"
            );
        }
    }
}
