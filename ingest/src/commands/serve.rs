//! `ingest serve`, and `ingest` alone.

use ::service::{config, lifecycle::Lifecycle, telemetry};
use anyhow::Context as _;

use crate::service;

/// Serves until told to stop.
pub(super) async fn run() -> anyhow::Result<()> {
    let config = config::load()?;
    let metrics = telemetry::init(&config.telemetry, "ingest")?;
    let lifecycle = Lifecycle::new(config.service.drain_timeout)?;
    let starting = service::start(&config, metrics, &lifecycle);
    lifecycle.start(starting).await.context("ingest cannot start")?;
    lifecycle.run_until_stopped().await.exit()
}
