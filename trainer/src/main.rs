//! The training worker: new dataset versions become model versions.

mod attempt;
mod gate;
mod service;
mod worker;

use ::service::{config, lifecycle::Lifecycle, telemetry};
use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = config::load()?;
    let metrics = telemetry::init(&config.telemetry, "trainer")?;
    let lifecycle = Lifecycle::new(config.service.drain_timeout)?;
    service::start(&config, metrics, &lifecycle)
        .await
        .context("the trainer cannot start")?;
    lifecycle.run_until_stopped().await.exit()
}
