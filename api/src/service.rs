//! Putting the service together.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
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
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    access::{Keyring, Rates},
    problem::Problem,
    routes,
    server::{self, Limits},
    serving::Serving,
    work::Pool,
};

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) backend: Backend,
    pub(crate) serving: Arc<Serving>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) body_limit_bytes: usize,
    pub(crate) require_key: bool,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) pool: Pool,
    /// Whether Postgres has been reached, with the right schema.
    registry_known: Arc<AtomicBool>,
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
    let app = build(config, metrics, health).await?;
    let address = config.api.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("api.listen {address} cannot be bound"))?;
    info!(address = %listener.local_addr()?, "listening");
    let look = Arc::new(Notify::new());
    reach_registry(&app, config, lifecycle, servers, Arc::clone(&look));
    follow(&app, &config.api, lifecycle, look);
    let router = routes::router(app, &config.api);
    let (limits, stop) = (limits(&config.api), lifecycle.soft_stop());
    lifecycle.spawn("http", async move {
        server::serve(listener, router, limits, stop).await;
        Ok(())
    });
    Ok(())
}

async fn build(config: &Config, metrics: Metrics, health: Health) -> anyhow::Result<App> {
    let (api, clock) = (&config.api, Clock::system());
    let model = health.component("model", Need::Essential);
    Ok(App {
        backend: Backend::connect_lazily(config, "api").await?,
        serving: Serving::open(api.cache.clone(), model, clock.clone()).await,
        health,
        metrics,
        clock,
        body_limit_bytes: api.body_limit_bytes,
        require_key: api.require_key,
        keyring: Arc::new(Keyring::open(api.cache.join("keys.json"))),
        rates: Arc::new(Rates::new(api.key_rate, api.address_rate, api.limit_loopback)),
        pool: Pool::new(),
        registry_known: Arc::default(),
    })
}

fn limits(api: &Api) -> Limits {
    Limits {
        connections: server::allow_connections(api.max_connections),
        body_budget: api.body_budget_bytes,
        header_timeout: api.header_timeout,
        body_timeout: api.body_timeout,
        write_timeout: api.write_timeout,
    }
}

/// Waits for Postgres, then starts what works on it. A schema that is behind ends a service that serves nothing.
fn reach_registry(app: &App, config: &Config, lifecycle: &Lifecycle, servers: Servers, look: Arc<Notify>) {
    let hints = WakeUps::new(app.backend.broker.clone(), &["#"]);
    app.backend.start(config, lifecycle, servers, hints.state());
    let (woken, stop) = (Arc::clone(&look), lifecycle.soft_stop());
    lifecycle.spawn("wake-ups", async move {
        let wake = |_: WakeUp| {
            woken.notify_waiters();
            woken.notify_one();
            std::future::ready(())
        };
        hints.run(wake, stop).await;
        Ok(())
    });
    let (app, stop) = (app.clone(), lifecycle.soft_stop());
    lifecycle.spawn("registry", async move {
        stop.run_until_cancelled(known(&app, &look))
            .await
            .unwrap_or(Ok(()))?;
        stop.cancelled().await;
        Ok(())
    });
}

async fn known(app: &App, look: &Notify) -> anyhow::Result<()> {
    while let Err(error) = app.backend.wait_for_postgres().await {
        if app.serving.current().is_none() {
            return Err(error);
        }
        tracing::error!(error = format!("{error:#}"), "only the kept model is served");
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    }
    app.registry_known.store(true, Ordering::Release);
    look.notify_one();
    Ok(())
}

/// Follows the champion and the keys in the registry.
fn follow(app: &App, api: &Api, lifecycle: &Lifecycle, look: Arc<Notify>) {
    let stop = || -> CancellationToken { lifecycle.soft_stop() };
    let swap = Serving::follow(app.clone(), look, api.reconcile_interval, stop());
    lifecycle.spawn("swap", async move {
        swap.await;
        Ok(())
    });
    let keys = Keyring::follow(app.clone(), api.keys_interval, stop());
    lifecycle.spawn("keys", async move {
        keys.await;
        Ok(())
    });
}
