//! Putting the service together.

use ::service::{
    clock::Clock, config::Config, health::Health, lifecycle::Lifecycle, probes::Probes, telemetry::Metrics,
};
use backend::{Backend, Servers};

use crate::{inbox::Inbox, intake::Intake};

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let servers = Servers::register(&health);
    let inbox = Inbox::open(&config.ingest, &health)?;
    let probes = Probes { health, metrics }.bind(config.ingest.listen).await?;
    let stop = lifecycle.soft_stop();
    let token = stop.clone();
    lifecycle.spawn("probes", async move {
        probes.serve(token).await;
        Ok(())
    });
    let backend = Backend::connect(config, "ingest").await?;
    backend.start(config, lifecycle, servers, backend.publisher().state());
    let intake = Intake::new(backend, &config.ingest, clock);
    lifecycle.spawn("inbox", inbox.run(intake, stop));
    Ok(())
}
