//! Servers that go away in the middle of a run, and come back.

use anyhow::Result;
use serde_json::json;
use testkit::{Node, Process, Proxy, World, in_world, until};

use super::{QUICK, RUNS, held, hold_commits};
use crate::data::diamonds;

/// One attempt, nothing counted against it.
fn untroubled() -> serde_json::Value {
    json!({"status": "succeeded", "attempts": 1, "failures": 0, "crashes": 0})
}

async fn start(world: &World, settings: &[(&str, &str)]) -> Result<[Process; 2]> {
    let ingest = world.start("ingest", settings).await?;
    let trainer = world.start("trainer", &[settings, &QUICK].concat()).await?;
    Ok([ingest, trainer])
}

#[tokio::test]
async fn a_run_survives_a_restart_of_the_broker_and_the_next_file_is_trained_on() -> Result<()> {
    in_world(|world| async move {
        let mut node = Node::start("", "[].").await?;
        let _services = start(&world, &[("LAPIDARY__RABBITMQ__URL", &node.url())]).await?;
        let commits = hold_commits(&world).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        held(&world, 1).await?;
        node.restart().await?;
        commits.rollback().await?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        assert_eq!(world.database.query(RUNS).await?, [untroubled()]);

        world.drop_file("b.csv", &diamonds(500, 2))?;
        world.becomes("SELECT count(*) FROM models", 2).await?;
        world
            .becomes("SELECT count(*) FROM events WHERE published_at IS NULL", 0)
            .await
    })
    .await
}

#[tokio::test]
async fn a_run_outlives_the_brokers_ack_timeout() -> Result<()> {
    in_world(|world| async move {
        let node = Node::start(
            "consumer_timeout = 1000",
            "[{rabbit, [{channel_tick_interval, 1000}]}].",
        )
        .await?;
        let _services = start(&world, &[("LAPIDARY__RABBITMQ__URL", &node.url())]).await?;
        let commits = hold_commits(&world).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        held(&world, 1).await?;
        until("the broker losing its patience", async || {
            Ok(node.log()?.contains("timeout").then_some(()))
        })
        .await?;
        commits.rollback().await?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        assert_eq!(world.database.query(RUNS).await?, [untroubled()]);

        world.drop_file("b.csv", &diamonds(500, 2))?;
        world.becomes("SELECT count(*) FROM models", 2).await
    })
    .await
}

#[tokio::test]
async fn a_run_survives_a_lost_connection_to_the_broker() -> Result<()> {
    in_world(|world| async move {
        let proxy = Proxy::start(&world.vhost.url()).await?;
        let _services = start(&world, &[("LAPIDARY__RABBITMQ__URL", &proxy.url())]).await?;
        let commits = hold_commits(&world).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        held(&world, 1).await?;
        proxy.cut().await;
        commits.rollback().await?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        proxy.restore();
        world.drop_file("b.csv", &diamonds(500, 2))?;
        world.becomes("SELECT count(*) FROM models", 2).await?;
        let runs = world.database.query(RUNS).await?;
        assert_eq!(runs, [untroubled(), untroubled()]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_and_nothing_counts_against_the_run() -> Result<()> {
    in_world(|world| async move {
        let proxy = Proxy::start(world.database.url()).await?;
        let _ingest = world.start("ingest", &[]).await?;
        let away = [("LAPIDARY__POSTGRES__URL", &*proxy.url())];
        let trainer = world.start("trainer", &[&away[..], &QUICK].concat()).await?;
        let commits = hold_commits(&world).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        held(&world, 1).await?;
        proxy.cut().await;
        commits.rollback().await?;
        trainer.logged("the run waits for a server").await?;
        proxy.restore();
        world.becomes("SELECT count(*) FROM models", 1).await?;
        let runs = world
            .database
            .query("SELECT status, failures FROM training_runs")
            .await?;
        assert_eq!(runs, [json!({"status": "succeeded", "failures": 0})]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_nothing_counts_against_the_run() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.report("accepted", "a.csv").await?;
        let (store, elsewhere) = (world.path("store"), world.path("elsewhere"));
        std::fs::rename(&store, &elsewhere)?;
        let trainer = world.start("trainer", &QUICK).await?;
        trainer.logged("the run waits for a server").await?;
        std::fs::remove_dir_all(&store)?;
        std::fs::rename(&elsewhere, &store)?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        assert_eq!(world.database.query(RUNS).await?, [untroubled()]);
        Ok(())
    })
    .await
}
