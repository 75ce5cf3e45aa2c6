//! What every service does alike with Postgres, RabbitMQ and the object store: connecting patiently,
//! relaying the outbox, and telling readiness how each of them is.

mod relay;
mod report;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use broker::{BrokerSettings, LinkState, Publisher, Topology};
use domain::ModelKind;
use service::{
    config::Config,
    error::chain,
    health::{Component, Health, Need, Watchdog},
    lifecycle::Lifecycle,
};
use storage::{Database, DatabaseSettings, StorageError, Store};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

const RETRY: Duration = Duration::from_secs(1);

/// After so long without progress a loop counts as stalled: every call to a server has given up before.
const STALLED: Duration = Duration::from_secs(60);

/// How long a call that is under way when the service stops may still take.
const LAST_CALL: Duration = Duration::from_secs(5);

/// The result of `work`, or nothing when the service stops and `work` does not end within a few seconds then, because a
/// server does not answer. Dropped half way, a transaction is rolled back unless its commit is on its way.
pub async fn until_stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = async { stop.cancelled().await; tokio::time::sleep(LAST_CALL).await } => None,
    }
}

/// How the servers behind a service are, as readiness tells it: until they are connected, down.
pub struct Servers {
    postgres: Component,
    broker: Component,
    relay: Component,
}

impl Servers {
    /// Adds them to `health`, and the relay between them: without Postgres a service is not ready, without the broker
    /// degraded.
    #[must_use]
    pub fn register(health: &Health) -> Self {
        Self::needing(health, Need::Essential)
    }

    /// Adds them to the `health` of a service that works without either, degraded.
    #[must_use]
    pub fn register_useful(health: &Health) -> Self {
        Self::needing(health, Need::Useful)
    }

    /// Watches a loop that works with Postgres: while one round of it makes no progress, readiness shows Postgres as
    /// degraded, with what the loop is at.
    #[must_use]
    pub fn watchdog(&self) -> Watchdog {
        self.postgres.watchdog(STALLED)
    }

    fn needing(health: &Health, postgres: Need) -> Self {
        Self {
            postgres: health.component("postgres", postgres),
            broker: health.component("broker", Need::Useful),
            relay: health.component("relay", Need::Useful),
        }
    }
}

/// The servers behind a service; cheap to clone.
#[derive(Clone)]
pub struct Backend {
    /// Postgres.
    pub database: Database,
    /// The object store.
    pub store: Store,
    /// RabbitMQ: where it is, and what must exist there.
    pub broker: BrokerSettings,
    publisher: Publisher,
    wake_relay: Arc<Notify>,
}

impl Backend {
    /// Connects; waits for Postgres as long as it is away.
    ///
    /// # Errors
    ///
    /// When the schema is behind, or a setting cannot be used, such as a wrong password.
    pub async fn connect(config: &Config, service: &'static str) -> anyhow::Result<Self> {
        let backend = Self::connect_lazily(config, service).await?;
        backend.wait_for_postgres().await?;
        Ok(backend)
    }

    /// Connects to nothing yet. Before Postgres is asked anything, it has to be waited for
    /// ([`Backend::wait_for_postgres`]).
    ///
    /// # Errors
    ///
    /// When a setting cannot be used.
    pub async fn connect_lazily(config: &Config, service: &'static str) -> anyhow::Result<Self> {
        let settings = DatabaseSettings {
            url: config.postgres.url.clone(),
            max_connections: config.postgres.max_connections,
            application: service.to_owned(),
            statement_limit: config.postgres.statement_timeout,
        };
        let database = Database::connect_lazily(&settings).await?;
        let store = Store::open(&config.store.url).context("cannot open the object store")?;
        store.require_claim();
        let known: Vec<_> = ModelKind::ALL.iter().map(|kind| kind.name()).collect();
        let broker = BrokerSettings {
            url: config.rabbitmq.url.clone(),
            service: service.to_owned(),
            topology: Topology::new(&known),
        };
        let publisher = Publisher::new(broker.clone());
        Ok(Self {
            database,
            store,
            broker,
            publisher,
            wake_relay: Arc::new(Notify::new()),
        })
    }

    /// Waits for Postgres as long as it is away, and checks that the schema is this program's.
    ///
    /// # Errors
    ///
    /// When the schema is behind, or Postgres refuses user, password or database.
    pub async fn wait_for_postgres(&self) -> anyhow::Result<()> {
        let mut told = false;
        loop {
            match self.database.check_schema().await {
                Ok(()) => {
                    info!("connected to Postgres");
                    return Ok(());
                }
                Err(error @ StorageError::Unavailable { .. }) => {
                    if !told {
                        warn!(error = chain(&error), "waiting for Postgres");
                        told = true;
                    }
                    tokio::time::sleep(RETRY).await;
                }
                // Among them a refusal: nobody but an operator can mend the address, the user or the password.
                Err(error) => return Err(error).context("cannot work on this database"),
            }
        }
    }

    /// Starts what every service does with its servers: relaying the outbox, and telling readiness of
    /// Postgres and of the broker's connection `link`.
    pub fn start(
        &self,
        config: &Config,
        lifecycle: &Lifecycle,
        servers: Servers,
        link: watch::Receiver<LinkState>,
    ) {
        let stop = || lifecycle.soft_stop();
        lifecycle.spawn(
            "postgres",
            report::postgres(self.database.clone(), servers.postgres, stop()),
        );
        lifecycle.spawn("broker", report::broker(link, servers.broker, stop()));
        lifecycle.spawn(
            "relay",
            relay::run(self.clone(), servers.relay, config.relay.poll_interval, stop()),
        );
    }

    /// Also binds the queues of these kinds on every connection, as the service does that trains them: nobody else
    /// binds or unbinds them. To be called before anything is connected to the broker.
    #[must_use]
    pub fn binding_kinds(mut self, kinds: &[String]) -> Self {
        self.broker.topology.bind(kinds);
        self.publisher = Publisher::new(self.broker.clone());
        self
    }

    /// Tells readiness how a consumer's connection `link` is; work that it misses is found by looking.
    pub fn report_consumer(lifecycle: &Lifecycle, component: Component, link: watch::Receiver<LinkState>) {
        lifecycle.spawn(
            "consumer state",
            report::consumer(link, component, lifecycle.soft_stop()),
        );
    }

    /// Checks that the object store is there and this system's; marks it when it is new.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when it is not: such as a folder whose disk is not mounted.
    pub async fn check_store(&self) -> Result<(), StorageError> {
        match self.store.is_claimed() {
            true => self.store.check_marker().await,
            false => self.database.claim_store(&self.store).await,
        }
    }

    /// Tells readiness how the object store is.
    pub fn report_store(&self, lifecycle: &Lifecycle, component: Component) {
        let reported = report::store(self.clone(), component, lifecycle.soft_stop());
        lifecycle.spawn("store", reported);
    }

    /// Publishes what was just committed now, rather than at the relay's next look.
    pub fn relay_now(&self) {
        self.wake_relay.notify_one();
    }

    /// The publishing connection, for consumers that put messages aside.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }
}
