//! Putting the service together.

use std::sync::Arc;

use ::service::{
    clock::Clock, config::Config, health::Health, lifecycle::Lifecycle, probes::Probes, telemetry::Metrics,
};
use backend::{Backend, Servers};
use broker::Consumer;
use domain::ModelKind;

use crate::worker::Worker;

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let servers = Servers::register(&health);
    let probes = Probes { health, metrics }.bind(config.trainer.listen).await?;
    let token = lifecycle.soft_stop();
    lifecycle.spawn("probes", async move {
        probes.serve(token).await;
        Ok(())
    });
    let backend = Backend::connect(config, "trainer").await?;
    backend.start(config, lifecycle, servers, backend.publisher().state());
    for name in &config.training.kinds {
        let kind: ModelKind = name.parse()?;
        start_worker(
            Worker::new(kind, backend.clone(), config, clock.clone()),
            config,
            lifecycle,
        );
    }
    Ok(())
}

/// A kind's worker is woken by its queue, and looks for missing runs by itself.
fn start_worker(worker: Worker, config: &Config, lifecycle: &Lifecycle) {
    let consumer = Consumer::new(
        worker.backend.broker.clone(),
        worker.kind.name(),
        worker.backend.publisher(),
    );
    let worker = Arc::new(worker);
    let (woken, stop) = (Arc::clone(&worker), lifecycle.soft_stop());
    lifecycle.spawn("consumer", async move {
        let woken = &woken;
        consumer
            .run(|delivery| async move { woken.handle(&delivery.body).await }, stop)
            .await;
        Ok(())
    });
    let (interval, stop) = (config.trainer.sweep_interval, lifecycle.soft_stop());
    lifecycle.spawn("sweep", async move {
        worker.sweep(interval, stop).await;
        Ok(())
    });
}
