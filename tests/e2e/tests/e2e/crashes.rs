//! SIGKILL mid-work, and what is there afterwards.

use anyhow::Result;
use serde_json::json;
use testkit::{Signal, Transaction, World, in_world};

use crate::data::{System, diamonds, predict, serves};

/// How many of this world's sessions wait for a lock that the test holds.
pub(crate) const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock' AND application_name = ";

/// Locks a table until the transaction is rolled back.
pub(crate) async fn lock(world: &World, table: &str, mode: &str) -> Result<Transaction> {
    let transaction = world.database.begin().await?;
    transaction
        .execute(&format!("LOCK TABLE {table} IN {mode} MODE"))
        .await?;
    Ok(transaction)
}

#[tokio::test]
async fn an_ingest_killed_in_its_commit_leaves_a_path_that_works() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        let release = lock(&world, "data_files", "EXCLUSIVE").await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.becomes(&format!("{WAITING} 'ingest'"), 1).await?;
        system.ingest.crash().await?;
        release.rollback().await?;

        let _again = world.start("ingest", &[]).await?;
        serves(&system.url, 1).await?;
        world.report("accepted", "a.csv").await?;
        for table in ["data_files", "datasets", "models"] {
            assert_eq!(
                world
                    .database
                    .number(&format!("SELECT count(*) FROM {table}"))
                    .await?,
                1,
                "{table}"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_trainer_killed_in_its_run_is_taken_over_by_the_next() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let lease = [
            ("LAPIDARY__TRAINER__LEASE_MS", "1000"),
            ("LAPIDARY__TRAINER__SWEEP_INTERVAL_MS", "200"),
        ];
        let release = lock(&world, "models", "EXCLUSIVE").await?;
        let trainer = world.start("trainer", &lease).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world
            .becomes("SELECT count(*) FROM training_runs WHERE status = 'running'", 1)
            .await?;
        world
            .becomes(&format!("least(1, ({WAITING} 'trainer'))"), 1)
            .await?;
        trainer.crash().await?;
        release.rollback().await?;

        let _again = world.start("trainer", &lease).await?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        let runs = world
            .database
            .query("SELECT status, attempts FROM training_runs")
            .await?;
        assert_eq!(runs, [json!({"status": "succeeded", "attempts": 2})]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_api_killed_amid_requests_serves_again_and_recorded_what_it_answered() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        serves(&system.url, 1).await?;
        let before = world
            .database
            .number("SELECT count(*) FROM traffic WHERE status = 200")
            .await?;

        let release = lock(&world, "traffic", "EXCLUSIVE").await?;
        let url = system.url.clone();
        let diamond = json!({"carat": 1, "cut": "Ideal", "color": "H", "clarity": "SI1"});
        let unanswered = tokio::spawn(async move { predict(&url, &diamond).await });
        world.becomes(&format!("{WAITING} 'api'"), 1).await?;
        system.api.crash().await?;
        assert!(
            unanswered.await?.is_err(),
            "nothing is answered before it is recorded"
        );
        release.rollback().await?;

        let api = world.start("api", &[]).await?;
        serves(&api.address().await?, 1).await?;
        let after = world
            .database
            .number("SELECT count(*) FROM traffic WHERE status = 200")
            .await?;
        assert!(after > before, "{after} after {before}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_trainer_that_slept_through_its_lease_commits_nothing() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let lease = [
            ("LAPIDARY__TRAINER__LEASE_MS", "1000"),
            ("LAPIDARY__TRAINER__SWEEP_INTERVAL_MS", "200"),
        ];
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.report("accepted", "a.csv").await?;
        // Read after the claim and before the training: the sleeper is stopped between the two.
        let release = lock(&world, "data_files", "ACCESS EXCLUSIVE").await?;
        let sleeper = world.start("trainer", &lease).await?;
        world
            .becomes("SELECT count(*) FROM training_runs WHERE status = 'running'", 1)
            .await?;
        world.becomes(&format!("{WAITING} 'trainer'"), 1).await?;
        sleeper.signal(Signal::SIGSTOP)?;
        release.rollback().await?;

        let _other = world.start("trainer", &lease).await?;
        world
            .becomes(
                "SELECT count(*) FROM training_runs WHERE status IN ('succeeded', 'failed')",
                1,
            )
            .await?;
        sleeper.signal(Signal::SIGCONT)?;
        sleeper
            .logged("the lease is lost; another trainer has the run")
            .await?;
        let runs = world.database.query("SELECT attempts FROM training_runs").await?;
        assert_eq!(runs, [json!({"attempts": 2})]);
        Ok(())
    })
    .await
}
