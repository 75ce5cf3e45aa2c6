//! One champion, one history, whoever finishes when.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{World, in_world};

use super::{QUICK, damage, held, hold_commits};
use crate::data::{diamonds, get};

#[tokio::test]
async fn trainers_that_finish_at_once_make_one_consistent_history() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let both = [
            ("LAPIDARY__TRAINING__KINDS", "linear,xgboost"),
            ("LAPIDARY__TRAINING__XGBOOST__TRIALS", "4"),
        ];
        let commits = hold_commits(&world).await?;
        let _one = world.start("trainer", &[&both[..], &QUICK].concat()).await?;
        let _two = world.start("trainer", &[&both[..], &QUICK].concat()).await?;
        world.drop_file("a.csv", &diamonds(2_000, 1))?;
        held(&world, 2).await?;
        commits.rollback().await?;
        world.becomes("SELECT count(*) FROM models", 2).await?;

        let verdicts = world
            .database
            .query("SELECT version, verdict FROM models ORDER BY version")
            .await?;
        let promotions = world
            .database
            .query("SELECT number, model_version FROM promotions ORDER BY number")
            .await?;
        let promoted: Vec<&Value> = verdicts
            .iter()
            .filter(|model| model["verdict"]["promoted"] == true)
            .map(|model| &model["version"])
            .collect();
        let listed: Vec<&Value> = promotions
            .iter()
            .map(|promotion| &promotion["model_version"])
            .collect();
        assert_eq!(promoted, listed, "every promotion has its verdict, in order");
        assert_eq!(verdicts[0]["verdict"]["champion"], Value::Null, "one was first");
        assert_eq!(
            verdicts[1]["verdict"]["champion"]["version"], 1,
            "the other was judged against it: {}",
            verdicts[1]["verdict"]
        );
        Ok(())
    })
    .await
}

/// A first champion, trained on few samples.
async fn reigning(world: &World) -> Result<()> {
    world.drop_file("a.csv", &diamonds(100, 1))?;
    world.becomes("SELECT count(*) FROM promotions", 1).await
}

async fn newest_verdict(world: &World) -> Result<Value> {
    let rows = world
        .database
        .query("SELECT verdict FROM models ORDER BY version DESC LIMIT 1")
        .await?;
    Ok(rows.first().context("no model")?["verdict"].clone())
}

#[tokio::test]
async fn a_frozen_champion_stays_and_the_verdict_says_who_would_have_won() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let _trainer = world.start("trainer", &QUICK).await?;
        reigning(&world).await?;
        world
            .database
            .execute("INSERT INTO freezes VALUES (1, true, now(), 'test', 'holidays')")
            .await?;
        world.drop_file("b.csv", &diamonds(5_000, 2))?;
        world.becomes("SELECT count(*) FROM models", 2).await?;
        let verdict = newest_verdict(&world).await?;
        assert_eq!(verdict["promoted"], false);
        let gain = verdict["difference"]["mean"].as_f64().context("no difference")?;
        let reason = verdict["reason"].as_str().unwrap_or_default();
        assert_eq!(
            reason.starts_with("the champion is frozen; otherwise this model would replace it"),
            gain > 0.0,
            "{verdict}"
        );
        assert_eq!(world.database.number("SELECT count(*) FROM promotions").await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_champion_whose_artifact_is_damaged_is_replaced_with_the_reason() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let _trainer = world.start("trainer", &QUICK).await?;
        reigning(&world).await?;
        damage(&world, "artifacts")?;
        world.drop_file("b.csv", &diamonds(500, 2))?;
        world.becomes("SELECT count(*) FROM promotions", 2).await?;
        let verdict = newest_verdict(&world).await?;
        let reason = verdict["reason"].as_str().unwrap_or_default();
        assert!(
            reason.contains("the champion cannot be used: object"),
            "{verdict}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_run_tells_everything_about_itself() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let settings = [
            ("LAPIDARY__TRAINING__KINDS", "xgboost"),
            ("LAPIDARY__TRAINING__XGBOOST__TRIALS", "8"),
        ];
        let trainer = world.start("trainer", &settings).await?;
        let api = world.start("api", &[]).await?;
        world.drop_file("a.csv", &diamonds(2_000, 1))?;
        world.becomes("SELECT count(*) FROM models", 1).await?;

        let url = api.address().await?;
        let runs = get(&format!("{url}/v1/runs")).await?;
        let id = runs["items"][0]["id"].as_str().context("no run")?;
        let run = get(&format!("{url}/v1/runs/{id}")).await?;
        assert_eq!(run["progress"]["done"], 8);
        assert_eq!(run["progress"]["total"], 8);
        assert_eq!(run["settings"], json!({"kind": "xgboost", "trials": 8}));
        let trials = run["trials"].as_array().context("no trials")?;
        assert_eq!(trials.len(), 8);
        let best = trials
            .iter()
            .filter(|trial| trial["pruned"] == false)
            .filter_map(|trial| trial["mae"].as_f64())
            .fold(f64::INFINITY, f64::min);
        assert_eq!(run["progress"]["best_mae"].as_f64(), Some(best));
        for part in ["holdout", "train", "validation"] {
            assert!(
                run["metrics"][part]["mae"].is_number(),
                "{part}: {}",
                run["metrics"]
            );
        }
        for slice in ["cut", "color", "clarity", "price"] {
            assert!(run["metrics"]["holdout"]["slices"][slice].is_object(), "{slice}");
        }
        let told = trainer
            .lines()
            .iter()
            .any(|line| line["message"] == "trial 8 of 8");
        assert!(told, "{:#?}", trainer.lines());
        let gauges = reqwest::get(format!("{}/metrics", trainer.address().await?))
            .await?
            .text()
            .await?;
        assert!(
            gauges.contains("lapidary_run_trials_done{service=\"trainer\",kind=\"xgboost\"} 8"),
            "{gauges}"
        );
        Ok(())
    })
    .await
}
