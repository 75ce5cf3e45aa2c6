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
use backend::{Backend, relay, report};
use broker::{WakeUp, WakeUps};
use tokio::sync::Notify;
use tracing::info;

use crate::{routes, serving::Serving};

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) backend: Backend,
    pub(crate) serving: Arc<Serving>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) body_limit_bytes: usize,
}

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let (postgres, broker) = (
        health.component("postgres", Need::Essential),
        health.component("broker", Need::Useful),
    );
    let component = health.component("model", Need::Essential);
    let backend = Backend::connect(config, "api").await?;
    let serving = Arc::new(Serving::new(component));
    let address = config.api.listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("api.listen {address} cannot be bound"))?;
    info!(address = %listener.local_addr()?, "listening");
    let body_limit_bytes = config.api.body_limit_bytes;
    let app = App {
        backend: backend.clone(),
        serving: Arc::clone(&serving),
        health,
        metrics,
        clock,
        body_limit_bytes,
    };
    let stop = lifecycle.soft_stop();
    let look = Arc::new(Notify::new());
    let hints = WakeUps::new(backend.broker.clone(), &["model.ready"]);
    let state = hints.state();
    let (database, interval) = (backend.database.clone(), config.relay.poll_interval);
    lifecycle.spawn("postgres", {
        let stop = stop.clone();
        async move {
            report::postgres(database, postgres, stop).await;
            Ok(())
        }
    });
    lifecycle.spawn("broker", {
        let stop = stop.clone();
        async move {
            report::broker(state, broker, stop).await;
            Ok(())
        }
    });
    lifecycle.spawn("wake-ups", {
        let (look, stop) = (Arc::clone(&look), stop.clone());
        async move {
            hints
                .run(
                    move |_: WakeUp| {
                        look.notify_one();
                        std::future::ready(())
                    },
                    stop,
                )
                .await;
            Ok(())
        }
    });
    let reconcile = config.api.reconcile_interval;
    lifecycle.spawn("swap", {
        let (backend, stop) = (backend.clone(), stop.clone());
        async move {
            serving.follow(backend, look, reconcile, stop).await;
            Ok(())
        }
    });
    lifecycle.spawn("relay", {
        let stop = stop.clone();
        async move {
            relay::run(backend, interval, stop).await;
            Ok(())
        }
    });
    let router = routes::router(app).into_make_service_with_connect_info::<SocketAddr>();
    lifecycle.spawn("http", async move {
        Ok(axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await?)
    });
    Ok(())
}
