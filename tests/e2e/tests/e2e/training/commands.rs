//! The trainer's commands, as somebody types them.

use anyhow::Result;
use testkit::{Finished, World, in_world};

use super::QUICK;
use crate::data::diamonds;

async fn trainer(world: &World, arguments: &[&str]) -> Result<Finished> {
    world
        .run("trainer", arguments, &[("LAPIDARY__TRAINING__KINDS", "linear")])
        .await
}

#[tokio::test]
async fn a_model_trained_on_demand_goes_before_the_gate_and_comes_out_the_same_again() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(2_000, 1))?;
        world.report("accepted", "a.csv").await?;

        let run = trainer(&world, &["run", "--kind", "xgboost", "--trials", "5"]).await?;
        assert!(run.success, "{run:?}");
        assert!(
            run.stdout
                .starts_with("model version 1 is the champion now: first model"),
            "{run:?}"
        );
        assert!(run.stderr.contains("trial 5 of 5, best MAE"), "{run:?}");
        let on_demand = "SELECT count(*) FROM training_runs WHERE NOT automatic AND status = 'succeeded'";
        assert_eq!(world.database.number(on_demand).await?, 1);

        for threads in ["1", "3"] {
            let settings = [("LAPIDARY__TRAINER__THREADS", threads)];
            let verify = world.run("trainer", &["verify", "1"], &settings).await?;
            assert!(verify.success, "{verify:?}");
            assert!(verify.stdout.contains("came out the same"), "{verify:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_search_stops_at_its_time_limit_and_is_repeated_from_the_trials_it_made() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(2_000, 1))?;
        world.report("accepted", "a.csv").await?;

        let short = [("LAPIDARY__TRAINING__XGBOOST__TIME_LIMIT_MS", "1")];
        let arguments = ["run", "--kind", "xgboost", "--trials", "1000"];
        let run = world.run("trainer", &arguments, &short).await?;
        assert!(run.success, "{run:?}");
        // It is over when the first batch ends.
        assert_eq!(world.database.number("SELECT count(*) FROM trials").await?, 8);
        let verify = trainer(&world, &["verify", "1"]).await?;
        assert!(verify.stdout.contains("came out the same"), "{verify:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_model_that_does_not_come_out_the_same_is_told() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let _trainer = world.start("trainer", &QUICK).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        world
            .database
            .execute(
                "ALTER TABLE models DISABLE TRIGGER models_never_change; \
                 UPDATE models SET artifact_sha256 = sha256('other')",
            )
            .await?;
        let verify = trainer(&world, &["verify", "1"]).await?;
        assert!(!verify.success, "{verify:?}");
        assert!(verify.stdout.contains("came out otherwise"), "{verify:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_done_is_told_in_words() -> Result<()> {
    in_world(|world| async move {
        let cases: [(&[&str], &str); 5] = [
            (&["run", "--kind", "linear"], "drop a data file into the inbox"),
            (
                &["run", "--kind", "oracle"],
                "there are: linear, xgboost, elastic_net",
            ),
            (
                &["run", "--kind", "linear", "--trials", "5"],
                "linear does not search",
            ),
            (
                &["run", "--kind", "xgboost", "--trials", "0"],
                "0 is not in 1..=10000",
            ),
            (&["verify", "7"], "there is no model version 7"),
        ];
        for (arguments, told) in cases {
            let finished = trainer(&world, arguments).await?;
            assert!(!finished.success, "{arguments:?}: {finished:?}");
            assert!(finished.stderr.contains(told), "{arguments:?}: {finished:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_kinds_are_listed_with_their_switches() -> Result<()> {
    in_world(|world| async move {
        let kinds = trainer(&world, &["kinds"]).await?;
        assert!(kinds.success, "{kinds:?}");
        let line = |kind: &str| {
            kinds
                .stdout
                .lines()
                .find(|line| line.starts_with(kind))
                .unwrap_or_default()
        };
        assert!(
            line("linear").contains(" on ") && line("linear").contains("train.linear"),
            "{kinds:?}"
        );
        assert!(line("xgboost").contains(" off "), "{kinds:?}");
        Ok(())
    })
    .await
}
