//! The REST API: prices, similar samples and the registry, every answer on record.

mod neighbours;
mod problem;
mod record;
mod routes;
mod service;
mod serving;

use ::service::{config, lifecycle::Lifecycle, telemetry};
use anyhow::Context as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = config::load()?;
    let metrics = telemetry::init(&config.telemetry, "api")?;
    let lifecycle = Lifecycle::new(config.service.drain_timeout)?;
    service::start(&config, metrics, &lifecycle)
        .await
        .context("the api cannot start")?;
    lifecycle.run_until_stopped().await.exit()
}
