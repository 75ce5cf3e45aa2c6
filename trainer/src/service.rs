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
use broker::{Consumer, train_queue};
use domain::ModelKind;
use tokio::time::timeout;

use crate::{
    challengers,
    trainer::Trainer,
    worker::{self, Worker},
};

/// How long the end waits for learners, which stop between two batches of trials: a process that ends while XGBoost is
/// at work may crash on its way out.
const LAST_BATCH: Duration = Duration::from_secs(5);

/// A claim that takes longer degrades readiness.
const LONGEST_CLAIM: Duration = Duration::from_secs(60);

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let servers = Servers::register(&health);
    let store = health.component("store", Need::Useful);
    let challengers = health.component("challengers", Need::Useful);
    let probes = Probes {
        health: health.clone(),
        metrics,
    }
    .bind(config.trainer.listen)
    .await?;
    let token = lifecycle.soft_stop();
    lifecycle.spawn("probes", async move {
        probes.serve(token).await;
        Ok(())
    });
    let backend = Backend::connect(config, "trainer").await?;
    let backend = backend.binding_kinds(&config.training.kinds);
    backend.report_store(lifecycle, store);
    backend.start(config, lifecycle, servers, backend.publisher().state());
    let trainer = Trainer::new(backend, config);
    let watch = challengers::watch(
        trainer.backend.database.clone(),
        challengers,
        config.trainer.sweep_interval,
        lifecycle.soft_stop(),
    );
    lifecycle.spawn("challengers", async move {
        watch.await;
        Ok(())
    });
    let (learning, stop) = (trainer.learning.clone(), lifecycle.soft_stop());
    lifecycle.spawn("learners", async move {
        stop.cancelled().await;
        learning.close();
        // What is still at it then is cut off; its run has been put back.
        let _ = timeout(LAST_BATCH, learning.wait()).await;
        Ok(())
    });
    let kinds = config.training.kinds.iter().map(|name| name.parse());
    let kinds: Vec<ModelKind> = kinds.collect::<Result<_, _>>()?;
    for kind in &kinds {
        start_worker(*kind, &trainer, config, &health, lifecycle)?;
    }
    let (interval, stop) = (config.trainer.sweep_interval, lifecycle.soft_stop());
    lifecycle.spawn("abandoned runs", async move {
        worker::release_abandoned(trainer, kinds, interval, stop).await;
        Ok(())
    });
    Ok(())
}

/// A kind's worker is woken by its queue, and looks for missing runs by itself.
fn start_worker(
    kind: ModelKind,
    trainer: &Trainer,
    config: &Config,
    health: &Health,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let component = health.component(train_queue(kind.name()), Need::Useful);
    let (broker, publisher) = (trainer.backend.broker.clone(), trainer.backend.publisher());
    let consumer = Consumer::new(broker, kind.name(), publisher);
    Backend::report_consumer(lifecycle, component.clone(), consumer.state());
    let terms = trainer.terms(&Trainer::learner(kind, config))?;
    let worker = Arc::new(Worker::new(
        kind,
        trainer.clone(),
        terms,
        component.watchdog(LONGEST_CLAIM),
        lifecycle.tasks(),
        lifecycle.soft_stop(),
    ));
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
