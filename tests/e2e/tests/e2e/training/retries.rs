//! Attempts that fail, and answers that are lost.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Proxy, World, in_world};

use super::{QUICK, RUNS, dead_letter_headers, refuse_models};
use crate::data::diamonds;

/// The run's attempts, and how many milliseconds passed from one's beginning to the next one's.
const GAPS: &str = "SELECT (extract(epoch FROM created_at - lag(created_at) OVER (ORDER BY seq)) * 1000)::bigint AS gap \
                    FROM events WHERE type = 'run.started' ORDER BY seq";

/// W1: three idle trainers had used up a run's three attempts within a second; the dead letter named another version.
/// W2: run, event and dead letter said "Postgres", and not what Postgres had against the model.
#[tokio::test]
async fn a_failing_run_is_tried_again_after_growing_waits_whoever_is_idle_and_is_given_up_with_its_cause()
-> Result<()> {
    in_world(|world| async move {
        refuse_models(&world).await?;
        let _ingest = world.start("ingest", &[]).await?;
        // They look for themselves every 30 seconds only: what wakes them is the time of the next try.
        let wait = [("LAPIDARY__TRAINER__RETRY_AFTER_MS", "300")];
        let (_one, _two) = (
            world.start("trainer", &wait).await?,
            world.start("trainer", &wait).await?,
        );
        world.drop_file("a.csv", &diamonds(500, 1))?;
        let letter = dead_letter_headers(&world, 1).await?.remove(0);

        let gaps = world.database.query(GAPS).await?;
        let gaps: Vec<i64> = gaps.iter().filter_map(|row| row["gap"].as_i64()).collect();
        assert_eq!(gaps.len(), 2, "three attempts: {gaps:?}");
        assert!((300..15_000).contains(&gaps[0]), "{gaps:?}");
        assert!((1_800..15_000).contains(&gaps[1]), "{gaps:?}");

        let run = world
            .database
            .query("SELECT id, kind, dataset_version::text, attempts::text, error FROM training_runs")
            .await?;
        for (header, column) in [
            ("run-id", "id"),
            ("kind", "kind"),
            ("dataset-version", "dataset_version"),
            ("attempts", "attempts"),
            ("reason", "error"),
        ] {
            assert_eq!(letter[format!("x-lapidary-{header}")], run[0][column], "{letter}");
        }
        let error = run[0]["error"].as_str().context("no error")?;
        assert!(error.contains("no models today"), "{error}");
        let told = "SELECT body -> 'data' ->> 'error' AS error FROM events WHERE type = 'run.failed'";
        assert_eq!(world.database.query(told).await?[0]["error"], error);
        Ok(())
    })
    .await
}

async fn one_model(world: &World) -> Result<()> {
    let counts = "SELECT (SELECT count(*) FROM models) AS models, \
                  (SELECT count(*) FROM events WHERE type = 'model.ready') AS events";
    assert_eq!(
        world.database.query(counts).await?,
        [json!({"models": 1, "events": 1})]
    );
    Ok(())
}

/// W6: the command ended with "another trainer has taken the run over", its model committed and promoted.
#[tokio::test]
async fn a_model_on_demand_whose_commit_lost_its_answer_is_told() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.report("accepted", "a.csv").await?;
        let way = Proxy::start(world.database.url()).await?;
        way.lose_commit_after("INSERT INTO \"models\"");
        let settings = [("LAPIDARY__POSTGRES__URL", &*way.url())];
        let run = world
            .run("trainer", &["run", "--kind", "linear"], &settings)
            .await?;
        assert!(run.success, "{run:?}");
        assert!(
            run.stdout
                .starts_with("model version 1 is the champion now: first model"),
            "{run:?}"
        );
        way.lost_commit().await;
        one_model(&world).await
    })
    .await
}

/// W6: the service went on as if another trainer had the run, and its counters missed the model.
#[tokio::test]
async fn a_model_whose_commit_lost_its_answer_is_counted() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        way.lose_commit_after("INSERT INTO \"models\"");
        let _ingest = world.start("ingest", &[]).await?;
        let settings = [("LAPIDARY__POSTGRES__URL", &*way.url())];
        let trainer = world.start("trainer", &[&settings[..], &QUICK].concat()).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        way.lost_commit().await;
        trainer.logged("the run made a model").await?;
        let metrics = reqwest::get(format!("{}/metrics", trainer.address().await?)).await?;
        let metrics = metrics.text().await?;
        let counted = |line: &str| line.starts_with("lapidary_models_total") && line.ends_with(" 1");
        assert!(metrics.lines().any(counted), "{metrics}");
        let once = json!({"status": "succeeded", "attempts": 1, "failures": 0, "crashes": 0});
        assert_eq!(world.database.query(RUNS).await?, [once]);
        one_model(&world).await
    })
    .await
}

/// W12: it stayed `running` for ever, where no trainer serves the kind.
#[tokio::test]
async fn a_run_on_demand_that_was_killed_is_ended_by_a_trainer_of_another_kind() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let _trainer = world.start("trainer", &QUICK).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        // As a killed `trainer run` leaves it.
        world
            .database
            .execute(
                "INSERT INTO training_runs (id, kind, dataset_version, automatic, seed, status, attempts, lease_until, \
                 started_at) VALUES (gen_random_uuid(), 'xgboost', 1, false, 42, 'running', 1, now(), now())",
            )
            .await?;
        let failed = "SELECT count(*) FROM training_runs WHERE kind = 'xgboost' AND status = 'failed' \
                      AND error LIKE 'its trainer fell silent%'";
        world.becomes(failed, 1).await?;
        let published: Vec<Value> = world
            .database
            .query("SELECT body -> 'data' ->> 'kind' AS kind FROM events WHERE type = 'run.failed'")
            .await?;
        assert_eq!(published, [json!({"kind": "xgboost"})]);
        Ok(())
    })
    .await
}
