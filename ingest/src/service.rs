//! Putting the service together.

use ::service::{
    clock::Clock,
    config::Config,
    health::{Health, Need},
    lifecycle::Lifecycle,
    probes::Probes,
    telemetry::Metrics,
};
use backend::{Backend, relay, report};

use crate::{inbox::Inbox, intake::Intake};

/// Connects, binds, and starts every task.
pub(crate) async fn start(config: &Config, metrics: Metrics, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let clock = Clock::system();
    let health = Health::new(clock.clone());
    let (postgres, broker) = (
        health.component("postgres", Need::Essential),
        health.component("broker", Need::Useful),
    );
    let probes = Probes { health, metrics }.bind(config.ingest.listen).await?;
    let stop = lifecycle.soft_stop();
    lifecycle.spawn("probes", {
        let stop = stop.clone();
        async move {
            probes.serve(stop).await;
            Ok(())
        }
    });
    let backend = Backend::connect(config, "ingest").await?;
    let inbox = Inbox::open(&config.ingest)?;
    let intake = Intake::new(backend.clone(), &config.ingest, clock);
    let (database, state) = (backend.database.clone(), backend.publisher().state());
    let interval = config.relay.poll_interval;
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
    lifecycle.spawn("relay", {
        let stop = stop.clone();
        async move {
            relay::run(backend, interval, stop).await;
            Ok(())
        }
    });
    lifecycle.spawn("inbox", async move { inbox.run(intake, stop).await });
    Ok(())
}
