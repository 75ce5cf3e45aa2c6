//! Putting the service together.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::service::{
    clock::Clock,
    config::{Api, Config},
    health::{Health, Need},
    lifecycle::Lifecycle,
    telemetry::Metrics,
};
use anyhow::Context as _;
use backend::{Backend, Servers};
use broker::{WakeUp, WakeUps};
use storage::Database;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Notify, Semaphore},
    time::timeout,
};
use tracing::{error, info};

use crate::{
    access::{Counted, Hosts, Keyring, Rates},
    cors::Origins,
    feed::Feed,
    problem::Problem,
    record::Recorder,
    registry::{PATIENCE as READER_PATIENCE, Readers},
    routes::Routes,
    server::{self, Limits},
    serving::Serving,
    shares::Shares,
    work::Pool,
};

/// How long a start waits for Postgres; without it, only what was kept is served until it comes.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks whether the schema is still behind.
const BEHIND: Duration = Duration::from_secs(5);

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// What an [`App`] consists of.
pub(crate) struct Parts {
    pub(crate) backend: Backend,
    pub(crate) serving: Arc<Serving>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) body_limit_bytes: usize,
    /// How long a request may be in hand.
    pub(crate) request_timeout: Duration,
    /// Whose pages may call.
    pub(crate) origins: Origins,
    /// By which names the API is called.
    pub(crate) hosts: Hosts,
    pub(crate) require_key: bool,
    pub(crate) keyring: Keyring,
    pub(crate) rates: Rates,
    pub(crate) pool: Pool,
    pub(crate) feed: Feed,
    /// Places for event streams.
    pub(crate) streams: Arc<Semaphore>,
    /// How many of them each caller has.
    pub(crate) streams_of: Shares<Counted>,
    /// Who reads the registry.
    pub(crate) readers: Readers,
    /// Wakes the swap up.
    pub(crate) look: Arc<Notify>,
    /// Whether Postgres has been reached, with the right schema.
    registry_known: AtomicBool,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// The registry, once it has been reached.
    pub(crate) fn registry(&self) -> Result<&Database, Problem> {
        let known = self.registry_known.load(Ordering::Acquire);
        known
            .then_some(&self.backend.database)
            .ok_or_else(Problem::registry_away)
    }
}

/// Binds, and starts every task; what was kept on disk is served before any server has been reached.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let health = Health::new(Clock::system());
    let servers = Servers::register_useful(&health);
    let store = health.component("store", Need::Useful);
    let app = build(config, metrics, health, lifecycle).await?;
    // When all is well, the first request finds everything open.
    if let Ok(reached) = timeout(PATIENCE, reached(&app)).await {
        reached?;
    }
    let address = config.api.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("api.listen {address} cannot be bound"))?;
    let workers = Handle::current().metrics().num_workers();
    info!(address = %listener.local_addr()?, workers, "listening");
    reach_registry(&app, lifecycle);
    follow(&app, config, lifecycle, servers);
    app.backend.report_store(lifecycle, store);
    let routes = Routes::new(app);
    let (limits, stop) = (limits(&config.api), lifecycle.soft_stop());
    lifecycle.spawn("http", async move {
        server::serve(listener, routes, limits, stop).await;
        Ok(())
    });
    Ok(())
}

async fn build(
    config: &Config,
    metrics: Metrics,
    health: Health,
    lifecycle: &Lifecycle,
) -> anyhow::Result<App> {
    let (api, clock) = (&config.api, Clock::system());
    let model = health.component("model", Need::Essential);
    let backend = Backend::connect_lazily(config, "api").await?;
    Ok(App(Arc::new(Parts {
        recorder: Recorder::start(config, &backend.database, &health, &clock, lifecycle)?,
        backend,
        serving: Serving::open(api.cache.clone(), model, clock.clone()).await,
        health,
        metrics,
        clock: clock.clone(),
        body_limit_bytes: api.body_limit_bytes,
        request_timeout: api.request_timeout,
        origins: Origins::new(&api.cors_origins),
        hosts: Hosts::new(&api.hosts, api.require_key),
        require_key: api.require_key,
        keyring: Keyring::open(api.cache.join("keys.json"), api.keys_max_age, clock),
        rates: Rates::new(api.key_rate, api.address_rate),
        pool: Pool::new(api.address_share, config.traffic.wait).context("no threads for heavy work")?,
        feed: Feed::new(lifecycle.soft_stop()),
        streams: Arc::new(Semaphore::new(api.max_streams)),
        streams_of: Shares::new(api.max_streams_per_address),
        readers: Readers::new(config.postgres.max_connections, READER_PATIENCE),
        look: Arc::default(),
        registry_known: AtomicBool::default(),
    })))
}

fn limits(api: &Api) -> Limits {
    Limits {
        connections: server::allow_connections(api.max_connections),
        address_share: api.address_share,
        limit_loopback: api.limit_loopback,
        header_timeout: api.header_timeout,
        body_timeout: api.body_timeout,
        write_timeout: api.write_timeout,
    }
}

/// Waits for Postgres, and lets the registry's routes open then.
fn reach_registry(app: &App, lifecycle: &Lifecycle) {
    let (app, stop) = (app.clone(), lifecycle.soft_stop());
    lifecycle.spawn("registry", async move {
        if app.registry().is_err() {
            let reached = stop.run_until_cancelled(reached(&app)).await;
            reached.unwrap_or(Ok(()))?;
        }
        stop.cancelled().await;
        Ok(())
    });
}

/// A schema that is behind ends a service that serves nothing; one that does goes on, without its registry.
async fn reached(app: &App) -> anyhow::Result<()> {
    while let Err(error) = app.backend.wait_for_postgres().await {
        if app.serving.current().is_none() {
            return Err(error);
        }
        error!(error = format!("{error:#}"), "only the kept model is served");
        tokio::time::sleep(BEHIND).await;
    }
    app.registry_known.store(true, Ordering::Release);
    app.look.notify_one();
    Ok(())
}

/// Follows the registry: champion, keys and events, at intervals and woken by events.
fn follow(app: &App, config: &Config, lifecycle: &Lifecycle, servers: Servers) {
    let hints = WakeUps::new(app.backend.broker.clone(), &["#"]);
    let [of_swap, of_keys, of_feed] = std::array::from_fn(|_| servers.watchdog());
    app.backend.start(config, lifecycle, servers, hints.state());
    let (api, news, stop) = (&config.api, Arc::new(Notify::new()), || lifecycle.soft_stop());
    let (look, heard, until) = (Arc::clone(&app.look), Arc::clone(&news), stop());
    spawn(lifecycle, "wake-ups", async move {
        let wake = |wake_up: WakeUp| {
            heard.notify_one();
            if is_about_models(&wake_up) {
                look.notify_one();
            }
            std::future::ready(())
        };
        hints.run(wake, until).await;
    });
    let swap = Serving::follow(app.clone(), api.reconcile_interval, of_swap, stop());
    spawn_follower(lifecycle, "swap", swap);
    let keys = Keyring::follow(app.clone(), api.keys_interval, of_keys, stop());
    spawn_follower(lifecycle, "keys", keys);
    let feed = Feed::follow(app.clone(), news, of_feed, stop());
    spawn_follower(lifecycle, "feed", feed);
}

fn is_about_models(wake_up: &WakeUp) -> bool {
    match wake_up {
        WakeUp::Connected => true,
        WakeUp::Event { routing_key, .. } => routing_key == "model.ready",
    }
}

/// A stop does not wait for a look at a server that may not answer: a follower changes nothing there.
fn spawn_follower(
    lifecycle: &Lifecycle,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let stop = lifecycle.soft_stop();
    spawn(lifecycle, name, async move {
        stop.run_until_cancelled(work).await;
    });
}

fn spawn(lifecycle: &Lifecycle, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    lifecycle.spawn(name, async move {
        work.await;
        Ok(())
    });
}
