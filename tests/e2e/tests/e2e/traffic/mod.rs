//! Answered means recorded, whatever breaks.

mod bytes;
mod commands;
mod kills;
mod load;
mod outages;
mod reading;
mod replay;
mod spool;
mod strangers;

use std::{env, process::Output};

use anyhow::{Context as _, Result, ensure};
use testkit::{Process, World, until};
use tokio::process::Command;

/// One number that an API's metrics tell.
async fn metric(url: &str, series: &str) -> Result<f64> {
    let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
    number(&text, series)
}

/// The number of the series that begins so; 0 before it is told.
fn number(text: &str, series: &str) -> Result<f64> {
    let (name, label) = series.split_once('{').unwrap_or((series, ""));
    let line = text
        .lines()
        .find(|line| line.split('{').next() == Some(name) && line.contains(label.trim_end_matches('}')));
    Ok(line
        .and_then(|line| line.rsplit(' ').next())
        .map_or(Ok(0.0), str::parse)?)
}

/// Waits until every record is in Postgres.
async fn drained(url: &str) -> Result<()> {
    until("an empty spool", async || {
        Ok((metric(url, "lapidary_traffic_spool_bytes").await? == 0.0).then_some(()))
    })
    .await
}

/// Waits until the API knows that Postgres takes no records.
async fn away(url: &str) -> Result<()> {
    until("the API to spool", async || {
        Ok((metric(url, "lapidary_traffic_away").await? == 1.0).then_some(()))
    })
    .await
}

/// Runs `api …` to its end.
async fn command(world: &World, arguments: &[&str]) -> Result<Output> {
    let test = env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent());
    let api = folder.context("the test has no folder")?.join("api");
    let mut command = Command::new(api);
    command
        .args(arguments)
        .env_clear()
        .env("LAPIDARY__POSTGRES__URL", world.database.url())
        .env("LAPIDARY__RABBITMQ__URL", world.vhost.url())
        .env("LAPIDARY__STORE__URL", world.path("store"));
    Ok(command.output().await?)
}

/// What a command prints when it succeeds.
async fn printed(world: &World, arguments: &[&str]) -> Result<String> {
    let output = command(world, arguments).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// An API that reaches Postgres by way of `postgres`.
async fn api_by_way_of(world: &World, postgres: &str, more: &[(&str, &str)]) -> Result<Process> {
    let settings = [&[("LAPIDARY__POSTGRES__URL", postgres)], more].concat();
    world.start("api", &settings).await
}
