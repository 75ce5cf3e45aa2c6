//! Reading the registry. Strangers share half of the connections to Postgres, and each has a part of that half, so that
//! operators, and what this service asks by itself, need not wait behind them.

use std::{net::IpAddr, ops::Deref, sync::Arc, time::Duration};

use axum::{extract::FromRequestParts, http::request::Parts};
use storage::Database;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    access::Caller,
    problem::Problem,
    service::App,
    shares::{Share, Shares},
};

/// How long a stranger waits for a place.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of one address, at work or waiting.
const PLACES_PER_ADDRESS: u64 = 4;

/// The places for strangers.
pub(crate) struct Readers {
    places: Arc<Semaphore>,
    per_address: Shares<IpAddr>,
}

/// A place among them, until it is dropped.
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    _share: Option<Share<IpAddr>>,
}

/// The registry, for the caller of a request.
pub(crate) struct Registry {
    database: Database,
    _place: Option<Place>,
}

impl Readers {
    /// Of so many connections, half are for strangers.
    pub(crate) fn new(connections: u32) -> Self {
        let places = usize::try_from(connections / 2).unwrap_or(1).max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            per_address: Shares::new(PLACES_PER_ADDRESS),
        }
    }

    /// Waits for a place.
    async fn enter(&self, network: Option<IpAddr>) -> Result<Place, Problem> {
        let share = network.map(|network| self.per_address.take(network, 1).ok_or_else(busy));
        let share = share.transpose()?;
        match timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Place {
                _place: place,
                _share: share,
            }),
            _ => Err(busy()),
        }
    }

    /// Waits for a place for as long as it takes, for what nobody waits for.
    pub(crate) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
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
        let readers = Readers::new(10);
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        let mut places = Vec::new();
        for _ in 0..PLACES_PER_ADDRESS {
            places.push(readers.enter(address(1)).await.ok().unwrap());
        }
        assert!(readers.enter(address(1)).await.is_err());
        places.push(readers.enter(address(2)).await.ok().unwrap());
        assert_eq!(readers.places.available_permits(), 0, "half of ten are taken");
        assert!(readers.enter(address(3)).await.is_err(), "it has waited for long enough");
        drop(places);
        assert!(readers.enter(address(1)).await.is_ok());
    }
}
