//! Trainers that are stopped or killed in the middle of a search.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use testkit::{Signal, World, in_world};

use super::{QUICK, RUNS};
use crate::data::diamonds;

/// A search that lasts far longer than any test.
const LONG_SEARCH: [(&str, &str); 2] = [
    ("LAPIDARY__TRAINING__KINDS", "xgboost"),
    ("LAPIDARY__TRAINING__XGBOOST__TRIALS", "10000"),
];

async fn searching(world: &World) -> Result<()> {
    world.becomes("SELECT least(1, count(*)) FROM trials", 1).await
}

#[tokio::test]
async fn a_trainer_that_is_told_to_stop_puts_its_search_back_within_seconds() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let mut trainer = world
            .start("trainer", &[&LONG_SEARCH[..], &QUICK].concat())
            .await?;
        world.drop_file("a.csv", &diamonds(2_000, 1))?;
        searching(&world).await?;
        let told = Instant::now();
        trainer.signal(Signal::SIGTERM)?;
        assert!(trainer.ended().await?, "{:#?}", trainer.lines());
        assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
        let put_back = json!({"status": "queued", "attempts": 1, "failures": 0, "crashes": 0});
        assert_eq!(world.database.query(RUNS).await?, [put_back]);

        let _next = world
            .start("trainer", &[&LONG_SEARCH[..], &QUICK].concat())
            .await?;
        world
            .becomes(
                "SELECT count(*) FROM training_runs WHERE status = 'running' AND attempts = 2",
                1,
            )
            .await?;
        searching(&world).await
    })
    .await
}

#[tokio::test]
async fn a_search_whose_trainer_is_killed_is_finished_by_another_with_every_trial_once() -> Result<()> {
    in_world(|world| async move {
        let few = [
            ("LAPIDARY__TRAINING__KINDS", "xgboost"),
            ("LAPIDARY__TRAINING__XGBOOST__TRIALS", "12"),
        ];
        let _ingest = world.start("ingest", &[]).await?;
        // The first would search for ever; the settings are the run's, so it is begun by hand with few trials.
        let first = world.start("trainer", &[&few[..], &QUICK].concat()).await?;
        world.drop_file("a.csv", &diamonds(2_000, 1))?;
        searching(&world).await?;
        first.crash().await?;
        let _second = world.start("trainer", &[&few[..], &QUICK].concat()).await?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        let trials = "SELECT count(*) FROM trials";
        assert_eq!(world.database.number(trials).await?, 12);
        let ended = "SELECT count(*) FROM training_runs WHERE status = 'succeeded'";
        assert_eq!(world.database.number(ended).await?, 1);
        Ok(())
    })
    .await
}
