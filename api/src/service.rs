//! Putting the service together.

use std::{net::SocketAddr, sync::Arc};

use ::service::{
    clock::Clock,
    config::Config,
    health::{Health, Need},
    lifecycle::Lifecycle,
    telemetry::Metrics,
};
use anyhow::Context as _;
use backend::{Backend, Servers};
use broker::{WakeUp, WakeUps};
use tokio::sync::Notify;
use tracing::info;

use crate::{record::Recorder, routes, serving::Serving};

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) backend: Arc<Backend>,
    pub(crate) serving: Arc<Serving>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) body_limit_bytes: usize,
}

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let servers = Servers::register(&health);
    let serving = Arc::new(Serving::new(health.component("model", Need::Essential)));
    let backend = Backend::connect(config, "api").await?;
    let address = config.api.listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("api.listen {address} cannot be bound"))?;
    info!(address = %listener.local_addr()?, "listening");
    let recorder = Recorder::start(&config.traffic, &backend.database, &health, &clock, lifecycle)?;
    follow_champion(&serving, &backend, config, lifecycle, servers);
    let body_limit_bytes = config.api.body_limit_bytes;
    let app = App {
        backend: Arc::new(backend),
        serving,
        recorder,
        health,
        metrics,
        clock,
        body_limit_bytes,
    };
    let router = routes::router(app).into_make_service_with_connect_info::<SocketAddr>();
    let stop = lifecycle.soft_stop();
    lifecycle.spawn("http", async move {
        Ok(axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await?)
    });
    Ok(())
}

/// Events wake the swap up; it reconciles with Postgres, also at intervals and at every connection.
fn follow_champion(
    serving: &Arc<Serving>,
    backend: &Backend,
    config: &Config,
    lifecycle: &Lifecycle,
    servers: Servers,
) {
    let hints = WakeUps::new(backend.broker.clone(), &["model.ready"]);
    backend.start(config, lifecycle, servers, hints.state());
    let look = Arc::new(Notify::new());
    let (woken, stop) = (Arc::clone(&look), lifecycle.soft_stop());
    lifecycle.spawn("wake-ups", async move {
        let wake = |_: WakeUp| {
            woken.notify_one();
            std::future::ready(())
        };
        hints.run(wake, stop).await;
        Ok(())
    });
    let (serving, backend, stop) = (Arc::clone(serving), backend.clone(), lifecycle.soft_stop());
    let interval = config.api.reconcile_interval;
    lifecycle.spawn("swap", async move {
        serving.follow(backend, look, interval, stop).await;
        Ok(())
    });
}
