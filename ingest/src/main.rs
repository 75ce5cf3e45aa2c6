//! The inbox service: dropped files become dataset versions.

mod archive;
mod decisions;
mod inbox;
mod intake;
mod known;
mod metrics;
mod reading;
mod service;
#[cfg(test)]
mod testing;

use ::service::{config, lifecycle::Lifecycle, telemetry};
use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = config::load()?;
    let metrics = telemetry::init(&config.telemetry, "ingest")?;
    let lifecycle = Lifecycle::new(config.service.drain_timeout)?;
    service::start(&config, metrics, &lifecycle)
        .await
        .context("ingest cannot start")?;
    lifecycle.run_until_stopped().await.exit()
}
