//! The services as they are released, with a champion.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::{Process, World};

use super::peers::Server;

const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct System {
    _ingest: Process,
    _trainer: Process,
    pub(super) server: Server,
    pub(super) champion: Value,
}

impl System {
    pub(super) async fn start(world: &World, kind: &str) -> Result<Self> {
        let kinds = [("LAPIDARY__TRAINING__KINDS", "linear,xgboost")];
        let ingest = world.start("ingest", &kinds).await?;
        let trainer = world.start("trainer", &kinds).await?;
        let api = world.start("api", &kinds).await?;
        let data = testkit::checkout()?.join("data/diamonds.csv.gz");
        world.drop_file("diamonds.csv.gz", &std::fs::read(data)?)?;
        let url = api.address().await?;
        let server = Server::new("lapidary", api, &url)?;
        let champion = champion(&url, kind).await?;
        Ok(Self {
            _ingest: ingest,
            _trainer: trainer,
            server,
            champion,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }
}

/// The champion once it is of this kind, or whatever it is after a while.
async fn champion(url: &str, kind: &str) -> Result<Value> {
    let started = Instant::now();
    loop {
        let answer = reqwest::get(format!("{url}/v1/models/champion")).await?;
        let model: Value = answer.json().await?;
        let is_late = started.elapsed() > PATIENCE;
        if model["kind"] == kind || (is_late && model["kind"].is_string()) {
            return Ok(model);
        }
        ensure!(!is_late, "there is no champion: {model}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What a query of one number answers on the server's settings.
pub(super) async fn setting(world: &World, name: &str) -> Result<String> {
    let rows = world
        .database
        .query(&format!("SELECT current_setting('{name}') AS setting"))
        .await?;
    let setting = rows.first().and_then(|row| row["setting"].as_str());
    Ok(setting.context("no such setting")?.to_owned())
}
