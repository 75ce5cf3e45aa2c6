//! `trainer serve`, and `trainer` alone.

use ::service::{config, lifecycle::Lifecycle, telemetry};
use anyhow::Context as _;

use crate::service;

/// Serves until told to stop.
pub(super) async fn run() -> anyhow::Result<()> {
    let config = config::load()?;
    let metrics = telemetry::init(&config.telemetry, "trainer")?;
    let lifecycle = Lifecycle::new(config.service.drain_timeout)?;
    let starting = service::start(&config, metrics, &lifecycle);
    lifecycle
        .start(starting)
        .await
        .context("the trainer cannot start")?;
    lifecycle.run_until_stopped().await.exit()
}
