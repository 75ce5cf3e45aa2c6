//! Swaps under load: each a promotion of a different artifact through Postgres, broker and store.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::World;
use tokio::time::MissedTickBehavior;

use super::{open_loop::Outcome, system::System};

/// From one promotion to the next.
const SECONDS_A_SWAP: f64 = 0.5;
/// Beyond the promotions themselves.
const SPARE_SECONDS: u32 = 2;

/// Puts load on while `swaps` promotions happen; what the load saw, and how many swaps there were.
pub(super) async fn during<F>(
    world: &World,
    system: &System,
    swaps: usize,
    load: impl FnOnce(u32) -> F,
) -> Result<(Outcome, usize)>
where
    F: Future<Output = Result<Outcome>>,
{
    let versions = versions(system).await?;
    let key = world.operator_key().await?;
    let url = system.url();
    let promoting = tokio::spawn(async move { promote_all(&url, &key, &versions, swaps).await });
    let outcome = load(seconds(swaps)).await?;
    ensure!(promoting.is_finished(), "the load ended before the swaps");
    Ok((outcome, promoting.await??))
}

/// How long the load lasts.
pub(super) fn seconds(swaps: usize) -> u32 {
    (swaps as f64 * SECONDS_A_SWAP).ceil() as u32 + SPARE_SECONDS
}

/// Every model there is, of whatever kind, the champion first: each is another artifact.
async fn versions(system: &System) -> Result<Vec<u64>> {
    let models = reqwest::get(format!("{}/v1/models?limit=1000", system.url())).await?;
    let models: Value = models.json().await?;
    let items = models["items"].as_array().context("no models")?;
    let mut versions: Vec<_> = items
        .iter()
        .filter_map(|model| model["version"].as_u64())
        .collect();
    versions.sort_by_key(|version| system.champion["version"] != *version);
    ensure!(versions.len() > 1, "there is nothing to swap to");
    Ok(versions)
}

async fn promote_all(url: &str, key: &str, versions: &[u64], swaps: usize) -> Result<usize> {
    let client = Client::new();
    let mut pace = tokio::time::interval(Duration::from_secs_f64(SECONDS_A_SWAP));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..swaps {
        pace.tick().await;
        // The first is the champion; the first swap is to another.
        let version = versions[(number + 1) % versions.len()];
        let sent = client
            .post(format!("{url}/v1/models/{version}/promote"))
            .bearer_auth(key);
        let answer = sent.json(&json!({"reason": "swaps under load"})).send().await?;
        if !answer.status().is_success() {
            eprintln!("promotion {number} was refused: {}", answer.text().await?);
            return Ok(number);
        }
    }
    Ok(swaps)
}
