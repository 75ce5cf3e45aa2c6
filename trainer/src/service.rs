//! Putting the service together.

use std::sync::Arc;

use ::service::{
    clock::Clock,
    config::Config,
    health::{Health, Need},
    lifecycle::Lifecycle,
    probes::Probes,
    telemetry::Metrics,
};
use backend::{Backend, relay, report};
use broker::Consumer;
use domain::ModelKind;

use crate::worker::Worker;

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let (postgres, broker) = (
        health.component("postgres", Need::Essential),
        health.component("broker", Need::Useful),
    );
    let probes = Probes { health, metrics }.bind(config.trainer.listen).await?;
    let stop = lifecycle.soft_stop();
    lifecycle.spawn("probes", {
        let stop = stop.clone();
        async move {
            probes.serve(stop).await;
            Ok(())
        }
    });
    let backend = Backend::connect(config, "trainer").await?;
    let (database, state) = (backend.database.clone(), backend.publisher().state());
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
    for name in &config.training.kinds {
        let kind: ModelKind = name.parse()?;
        let worker = Arc::new(Worker::new(kind, backend.clone(), config, clock.clone()));
        let consumer = Consumer::new(backend.broker.clone(), name, backend.publisher());
        let (handler, token) = (Arc::clone(&worker), stop.clone());
        lifecycle.spawn("consumer", async move {
            consumer
                .run(
                    move |delivery| {
                        let worker = Arc::clone(&handler);
                        async move { worker.handle(&delivery.body).await }
                    },
                    token,
                )
                .await;
            Ok(())
        });
        let (token, interval) = (stop.clone(), config.trainer.sweep_interval);
        lifecycle.spawn("sweep", async move {
            worker.sweep(interval, token).await;
            Ok(())
        });
    }
    let interval = config.relay.poll_interval;
    lifecycle.spawn("relay", async move {
        relay::run(backend, interval, stop).await;
        Ok(())
    });
    Ok(())
}
