//! The services as they are released, with a champion.

use std::{net::SocketAddr, ops::RangeInclusive};

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::{Process, World, until};

use super::peers::Server;

/// The trees that a champion has at the least.
const TREES: u64 = 750;
/// One in so many of the bundled samples: as many as the notebook had.
const EVERY: usize = 10;
/// Seeds of further searches, until one makes a model of so many trees. Each is another artifact to swap to.
const SEEDS: RangeInclusive<u32> = 31..=300;

pub(super) struct System {
    _ingest: Process,
    _trainer: Process,
    pub(super) server: Server,
    pub(super) champion: Value,
}

impl System {
    pub(super) async fn start(world: &World) -> Result<Self> {
        // A world of the tests trains one kind unless it is told otherwise.
        let kinds = [("LAPIDARY__TRAINING__KINDS", "linear,elastic_net,xgboost")];
        let ingest = world.start("ingest", &kinds).await?;
        let trainer = world.start("trainer", &kinds).await?;
        let api = world.start("api", &kinds).await?;
        world.drop_file("diamonds.csv", samples()?.as_bytes())?;
        let url = api.address().await?;
        let server = Server::new("lapidary", api, &url)?;
        let champion = champion(world, &url).await?;
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

/// Every tenth line of the bundled data, after the head.
pub(super) fn samples() -> Result<String> {
    let data = testkit::checkout()?.join("data/diamonds.csv.gz");
    let unpacked = std::process::Command::new("gzip").arg("-dc").arg(data).output()?;
    let text = String::from_utf8(unpacked.stdout)?;
    let (head, samples) = text.split_once('\n').context("the bundled data has no head")?;
    let mut some = format!("{head}\n");
    for sample in samples.lines().step_by(EVERY) {
        some.push_str(sample);
        some.push('\n');
    }
    Ok(some)
}

/// A champion of boosted trees, of enough of them.
async fn champion(world: &World, url: &str) -> Result<Value> {
    let mut model = newest(url).await?;
    let mut seeds = SEEDS;
    while model["parameters"]["rounds"].as_u64() < Some(TREES) {
        let seed = seeds
            .next()
            .with_context(|| format!("no search made a model of {TREES} trees"))?;
        let settings = [("LAPIDARY__TRAINING__SEED", &*seed.to_string())];
        let done = world
            .run("trainer", &["run", "--kind", "xgboost"], &settings)
            .await?;
        ensure!(done.success, "a training run failed: {}", done.stderr);
        model = newest(url).await?;
    }
    promote(world, url, &model["version"]).await?;
    until("the champion to serve", async || {
        let champion: Value = reqwest::get(format!("{url}/v1/models/champion"))
            .await?
            .json()
            .await?;
        Ok((champion["version"] == model["version"]).then_some(champion))
    })
    .await
}

/// The newest model of boosted trees, once there is one.
async fn newest(url: &str) -> Result<Value> {
    until("a model of boosted trees", async || {
        let models = reqwest::get(format!("{url}/v1/models?limit=1000")).await?;
        let models: Value = models.json().await?;
        let of_trees = models["items"].as_array().into_iter().flatten();
        Ok(of_trees
            .filter(|model| model["kind"] == "xgboost")
            .max_by_key(|model| model["version"].as_u64())
            .cloned())
    })
    .await
}

async fn promote(world: &World, url: &str, version: &Value) -> Result<()> {
    let key = world.operator_key().await?;
    let sent = Client::new()
        .post(format!("{url}/v1/models/{version}/promote"))
        .bearer_auth(key);
    let answer = sent.json(&json!({"reason": "to be measured"})).send().await?;
    ensure!(
        answer.status().is_success() || answer.status() == 409,
        "version {version} was not promoted: {}",
        answer.text().await?
    );
    Ok(())
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
