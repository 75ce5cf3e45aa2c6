//! Putting the service together.

use std::{sync::Arc, time::Duration};

use ::service::{
    clock::Clock,
    config::Config,
    health::{Health, Need},
    lifecycle::Lifecycle,
    probes::Probes,
    telemetry::Metrics,
};
use backend::{Backend, Servers};
use broker::Consumer;
use domain::ModelKind;
use tokio::time::timeout;

use crate::{trainer::Trainer, worker::Worker};

/// How long the end waits for learners, which stop between two batches of trials: a process that ends while XGBoost is
/// at work may crash on its way out.
const LAST_BATCH: Duration = Duration::from_secs(5);

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let servers = Servers::register(&health);
    let store = health.component("store", Need::Useful);
    let probes = Probes { health, metrics }.bind(config.trainer.listen).await?;
    let token = lifecycle.soft_stop();
    lifecycle.spawn("probes", async move {
        probes.serve(token).await;
        Ok(())
    });
    let backend = Backend::connect(config, "trainer").await?;
    backend.start(config, lifecycle, servers, backend.publisher().state());
    backend.report_store(lifecycle, store);
    let trainer = Trainer::new(backend, config);
    let (learning, stop) = (trainer.learning.clone(), lifecycle.soft_stop());
    lifecycle.spawn("learners", async move {
        stop.cancelled().await;
        learning.close();
        // What is still at it then is cut off; its run has been put back.
        let _ = timeout(LAST_BATCH, learning.wait()).await;
        Ok(())
    });
    for name in &config.training.kinds {
        start_worker(name.parse()?, &trainer, config, lifecycle)?;
    }
    Ok(())
}

/// A kind's worker is woken by its queue, and looks for missing runs by itself.
fn start_worker(
    kind: ModelKind,
    trainer: &Trainer,
    config: &Config,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let (broker, publisher) = (trainer.backend.broker.clone(), trainer.backend.publisher());
    let consumer = Consumer::new(broker, kind.name(), publisher);
    let terms = trainer.terms(&Trainer::learner(kind, config))?;
    let worker = Arc::new(Worker::new(kind, trainer.clone(), terms, lifecycle.soft_stop()));
    let (woken, stop) = (Arc::clone(&worker), lifecycle.soft_stop());
    lifecycle.spawn("consumer", async move {
        let woken = &woken;
        consumer
            .run(|delivery| async move { woken.handle(&delivery.body).await }, stop)
            .await;
        Ok(())
    });
    let interval = config.trainer.sweep_interval;
    lifecycle.spawn("sweep", async move {
        worker.sweep(interval).await;
        Ok(())
    });
    Ok(())
}
