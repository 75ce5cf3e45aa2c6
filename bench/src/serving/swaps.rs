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

/// Puts load on while `swaps` promotions happen, the last to the champion of the other loads; what the load saw.
pub(super) async fn during<F>(
    world: &World,
    system: &System,
    swaps: usize,
    load: impl FnOnce(u32) -> F,
) -> Result<Outcome>
where
    F: Future<Output = Result<Outcome>>,
{
    let order = order(&versions(system).await?, swaps);
    let key = world.operator_key().await?;
    let url = system.url();
    let promoting = tokio::spawn(async move { promote_all(&url, &key, &order).await });
    let outcome = load(seconds(swaps)).await?;
    ensure!(promoting.is_finished(), "the load ended before the swaps");
    promoting.await??;
    Ok(outcome)
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

/// The others in turns, each followed by the first, which serves before and is what the other loads measure: so the same
/// trees are walked half of the time.
fn order(versions: &[u64], swaps: usize) -> Vec<u64> {
    let (champion, others) = versions.split_at(1);
    let there_and_back = |other: &u64| [*other, champion[0]];
    others
        .iter()
        .cycle()
        .flat_map(there_and_back)
        .take(swaps)
        .collect()
}

async fn promote_all(url: &str, key: &str, order: &[u64]) -> Result<()> {
    let client = Client::new();
    let mut pace = tokio::time::interval(Duration::from_secs_f64(SECONDS_A_SWAP));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for version in order {
        pace.tick().await;
        let sent = client
            .post(format!("{url}/v1/models/{version}/promote"))
            .bearer_auth(key);
        let answer = sent.json(&json!({"reason": "swaps under load"})).send().await?;
        ensure!(
            answer.status().is_success(),
            "the promotion of {version} was refused: {}",
            answer.text().await?
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_swap_is_to_another_model_and_the_last_to_the_champion() {
        assert_eq!(order(&[1, 2, 3], 6), [2, 1, 3, 1, 2, 1]);
    }
}
