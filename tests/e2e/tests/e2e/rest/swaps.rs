//! Swaps under load: every answer is wholly one model's.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::in_world;

use super::{decide, two_models};
use crate::data::predict;

const SWAPS: usize = 1000;
const CLIENTS: usize = 4;

/// What may not differ between two answers of one model.
fn answered(answer: &Value) -> (u64, String) {
    let version = answer["model"]["version"].as_u64().unwrap_or_default();
    let said = format!(
        "{} {} {} {}",
        answer["price"], answer["range"], answer["unusual"], answer["model"]
    );
    (version, said)
}

#[tokio::test]
async fn a_thousand_swaps_under_load_mix_and_fail_no_answer() -> Result<()> {
    in_world(|world| async move {
        let system = two_models(&world).await?;
        let key = world.operator_key().await?;
        let done = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::spawn(ask_until(system.url.clone(), Arc::clone(&done))))
            .collect();
        let url = format!("{}/v1/models", system.url);
        let champion = super::get(&format!("{url}/champion")).await?["version"]
            .as_u64()
            .unwrap_or(1);
        for swap in 1..=SWAPS as u64 {
            let version = if swap % 2 == 0 { champion } else { 3 - champion };
            let (status, answer) = decide(&format!("{url}/{version}/promote"), &key).await?;
            ensure!(status == 200, "{answer}");
        }
        done.store(true, Ordering::SeqCst);
        let mut seen: BTreeMap<u64, String> = BTreeMap::new();
        let mut answers = 0;
        for client in clients {
            for (version, said) in client.await?? {
                answers += 1;
                let first = seen.entry(version).or_insert_with(|| said.clone());
                ensure!(*first == said, "model {version} said {first} and {said}");
            }
        }
        ensure!(seen.len() == 2, "both models answered: {seen:?}");
        println!("{answers} answers during {SWAPS} swaps");
        Ok(())
    })
    .await
}

async fn ask_until(url: String, done: Arc<AtomicBool>) -> Result<Vec<(u64, String)>> {
    let mut answers = Vec::new();
    while !done.load(Ordering::SeqCst) {
        let answer = predict(&url, &super::diamond()).await?.error_for_status()?;
        let version = answer.headers()["x-model-version"].to_str()?.parse::<u64>()?;
        let answer = answered(&answer.json().await?);
        ensure!(
            answer.0 == version,
            "the header says {version}, the body {}",
            answer.0
        );
        answers.push(answer);
    }
    Ok(answers)
}
