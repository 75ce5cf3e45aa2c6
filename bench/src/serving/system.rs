//! The services as they are released, with a champion.

use std::{net::SocketAddr, ops::RangeInclusive};

use anyhow::{Context as _, Result, ensure};
use domain::{Clarity, Color, Cut};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::{Process, World, until};

use super::peers::Server;

/// The trees that a champion has at the least.
const TREES: u64 = 750;
/// One in so many of the bundled samples: as many as the notebook had.
const EVERY: usize = 10;
/// By how much a price may miss the law, as a share: so much that a search stops soon after [`TREES`].
const NOISE: f64 = 0.044;
/// Seeds of further searches: each makes another artifact to swap to.
const SEEDS: RangeInclusive<u32> = 1..=4;

pub(super) struct System {
    _ingest: Process,
    _trainer: Process,
    pub(super) server: Server,
    pub(super) champion: Value,
}

impl System {
    pub(super) async fn start(world: &World) -> Result<Self> {
        Self::start_with(world, &[]).await
    }

    /// The API has these variables in its environment.
    pub(super) async fn start_with(world: &World, of_api: &[(&str, &str)]) -> Result<Self> {
        // A world of the tests trains one kind unless it is told otherwise.
        let kinds = [("LAPIDARY__TRAINING__KINDS", "linear,elastic_net,xgboost")];
        let ingest = world.start("ingest", &kinds).await?;
        let trainer = world.start("trainer", &kinds).await?;
        let api = world.start("api", &[&kinds[..], of_api].concat()).await?;
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

    /// The champion as XGBoost itself would save it.
    pub(super) async fn booster(&self, world: &World) -> Result<Vec<u8>> {
        let url = format!("{}/v1/models/{}/artifact", self.url(), self.champion["version"]);
        let sent = Client::new().get(url).bearer_auth(world.operator_key().await?);
        Ok(sent.send().await?.error_for_status()?.bytes().await?.to_vec())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }
}

/// Every tenth of the bundled stones, at the prices of a law and some noise. Real prices are so noisy that a search
/// stops at some hundred trees; of a law alone there is more to learn than trees are allowed.
fn samples() -> Result<String> {
    let text = String::from_utf8(bundled()?)?;
    let stones = text.lines().skip(1).step_by(EVERY).map(at_a_price);
    let stones: Vec<_> = stones.collect::<Result<_>>()?;
    Ok(format!(
        "carat,cut,color,clarity,depth,table,price,x,y,z\n{}\n",
        stones.join("\n")
    ))
}

fn at_a_price(line: &str) -> Result<String> {
    let fields: Vec<_> = line.split(',').map(|field| field.trim_matches('"')).collect();
    let &[carat, cut, color, clarity, depth, table, _, x, y, z] = fields.as_slice() else {
        anyhow::bail!("{line} is no stone");
    };
    let log_price = 1.75 * carat.parse::<f64>()?.ln()
        + 0.03 * grade(Cut::NAMES, cut)?
        + 0.08 * grade(Color::NAMES, color)?
        + 0.12 * grade(Clarity::NAMES, clarity)?;
    let price = (8.45 + log_price + NOISE * noise(line)).exp().round();
    Ok(format!(
        "{carat},{cut},{color},{clarity},{depth},{table},{price},{x},{y},{z}"
    ))
}

/// Between -1 and 1, for ever the same: FNV-1a of the line.
fn noise(line: &str) -> f64 {
    let hash = line.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// How many grades are worse.
fn grade(names: &[&str], name: &str) -> Result<f64> {
    let place = names.iter().position(|it| *it == name);
    Ok(place.with_context(|| format!("{name} is no grade"))? as f64)
}

/// The bundled data, unpacked.
fn bundled() -> Result<Vec<u8>> {
    let data = testkit::checkout()?.join("data/diamonds.csv.gz");
    let unpacked = std::process::Command::new("gzip").arg("-dc").arg(data).output()?;
    Ok(unpacked.stdout)
}

/// A champion of boosted trees, of enough of them, and other models beside.
async fn champion(world: &World, url: &str) -> Result<Value> {
    let model = newest(url).await?;
    ensure!(
        model["parameters"]["rounds"].as_u64() >= Some(TREES),
        "the champion has fewer than {TREES} trees: {model}"
    );
    for seed in SEEDS {
        let settings = [("LAPIDARY__TRAINING__SEED", &*seed.to_string())];
        let done = world
            .run("trainer", &["run", "--kind", "xgboost"], &settings)
            .await?;
        ensure!(done.success, "a training run failed: {}", done.stderr);
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
