//! Putting the service together.

use ::service::{
    clock::Clock, config::Config, health::Health, lifecycle::Lifecycle, probes::Probes, telemetry::Metrics,
};
use anyhow::Context as _;
use backend::{Backend, Servers};

use crate::{inbox::Inbox, intake::Intake, journal::Journal};

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let servers = Servers::register(&health);
    let inbox = Inbox::open(&config.ingest, &health)?;
    let journal = Journal::open(&config.ingest.scratch).context("the scratch folder cannot be written")?;
    let probes = Probes { health, metrics }.bind(config.ingest.listen).await?;
    let stop = lifecycle.soft_stop();
    let token = stop.clone();
    lifecycle.spawn("probes", async move {
        probes.serve(token).await;
        Ok(())
    });
    let backend = Backend::connect(config, "ingest").await?;
    backend.start(config, lifecycle, servers, backend.publisher().state());
    let intake = Intake::new(backend, &config.ingest, clock, journal.clone(), inbox.progress());
    let stopping = stop.clone();
    lifecycle.spawn("journal", async move {
        stopping.cancelled().await;
        Ok(journal.stopping()?)
    });
    lifecycle.spawn("inbox", inbox.run(intake, stop));
    Ok(())
}
