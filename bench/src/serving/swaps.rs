//! Swaps under load: each a promotion of a different artifact through Postgres, broker and store.

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Client;
use serde_json::{Value, json};
use testkit::{World, generate::Diamonds, until};

use super::{open_loop::Outcome, system::System};

/// Different artifacts to swap between.
const MODELS: u64 = 6;
/// How long the load lasts for each swap.
const SECONDS_A_SWAP: f64 = 0.2;

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
    let versions = versions(world, system).await?;
    let key = world.operator_key().await?;
    let url = system.url();
    let promoting = tokio::spawn(async move { promote_all(&url, &key, &versions, swaps).await });
    let outcome = load((swaps as f64 * SECONDS_A_SWAP).ceil() as u32 + 2).await?;
    Ok((outcome, promoting.await??))
}

/// Drops more files, until there are several models of the champion's kind.
async fn versions(world: &World, system: &System) -> Result<Vec<u64>> {
    let kind = &system.champion["kind"];
    let mut seen = Vec::new();
    for seed in 0..MODELS {
        world.drop_file(
            &format!("more-{seed}.csv"),
            &Diamonds::new(2000, seed + 100).to_bytes(),
        )?;
        let before = seen.len();
        seen = until("one more model", async || {
            let models: Value = reqwest::get(format!("{}/v1/models?limit=1000", system.url()))
                .await?
                .json()
                .await?;
            let versions: Vec<_> = models["items"]
                .as_array()
                .context("no models")?
                .iter()
                .filter(|model| &model["kind"] == kind)
                .filter_map(|model| model["version"].as_u64())
                .collect();
            Ok((versions.len() > before.max(1)).then_some(versions))
        })
        .await?;
    }
    Ok(seen)
}

async fn promote_all(url: &str, key: &str, versions: &[u64], swaps: usize) -> Result<usize> {
    let client = Client::new();
    for number in 0..swaps {
        let version = versions[number % versions.len()];
        let sent = client
            .post(format!("{url}/v1/models/{version}/promote"))
            .bearer_auth(key);
        let answer = sent.json(&json!({"reason": "swaps under load"})).send().await?;
        if !answer.status().is_success() {
            eprintln!("promotion {number} was refused: {}", answer.text().await?);
            return Ok(number);
        }
        tokio::time::sleep(Duration::from_secs_f64(SECONDS_A_SWAP)).await;
    }
    Ok(swaps)
}
