//! What no try can mend goes to the dead letters with its reason, and never round in circles.

use anyhow::Result;
use serde_json::json;
use testkit::{World, in_world};

use super::{QUICK, RUNS, damage, dead_letters, publish, refuse_models};
use crate::data::diamonds;

fn dataset_ready(version: u32) -> String {
    json!({
        "specversion": "1.0", "id": "00000000-0000-0000-0000-000000000001", "source": "urn:lapidary",
        "type": "dataset.ready", "subject": format!("datasets/{version}"), "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json", "dataschema": "urn:lapidary:dataset.ready:1",
        "data": {"dataset_version": version, "rows": 1},
    })
    .to_string()
}

/// An event of a kind of model that nobody knows.
fn unknown_kind() -> String {
    json!({
        "specversion": "1.0", "id": "00000000-0000-0000-0000-000000000002", "source": "urn:lapidary",
        "type": "run.started", "subject": "runs/1", "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json", "dataschema": "urn:lapidary:run.started:1",
        "data": {"run_id": "00000000-0000-0000-0000-000000000003", "kind": "oracle", "dataset_version": 1,
                 "attempt": 1, "model_version": null, "error": null},
    })
    .to_string()
}

#[tokio::test]
async fn messages_that_make_no_sense_are_dead_letters_with_their_reasons() -> Result<()> {
    in_world(|world| async move {
        let _trainer = world.start("trainer", &QUICK).await?;
        for message in ["poison", &dataset_ready(99), &unknown_kind()] {
            publish(&world, message).await?;
        }
        let reasons = dead_letters(&world, 3).await?;
        // W2: the reason was "malformed event" and no more.
        assert!(
            reasons[0].starts_with("malformed event: expected"),
            "{}",
            reasons[0]
        );
        assert_eq!(reasons[1], "there is no dataset version 99");
        assert!(reasons[2].contains("oracle"), "{}", reasons[2]);
        assert_eq!(
            world
                .database
                .number("SELECT count(*) FROM training_runs")
                .await?,
            0
        );
        Ok(())
    })
    .await
}

/// Drops a file, and damages what was kept of it before any trainer looks.
async fn damaged(world: &World) -> Result<()> {
    let _ingest = world.start("ingest", &[]).await?;
    world.drop_file("a.csv", &diamonds(500, 1))?;
    world.report("accepted", "a.csv").await?;
    damage(world, "batches")
}

#[tokio::test]
async fn a_damaged_batch_fails_the_run_at_once_with_the_reason() -> Result<()> {
    in_world(|world| async move {
        damaged(&world).await?;
        let _trainer = world.start("trainer", &QUICK).await?;
        world
            .becomes("SELECT count(*) FROM training_runs WHERE status = 'failed'", 1)
            .await?;
        let error = world
            .database
            .query("SELECT attempts, error FROM training_runs")
            .await?;
        assert_eq!(error[0]["attempts"], 1);
        let reason = error[0]["error"].as_str().unwrap_or_default();
        assert!(reason.contains("is damaged"), "{reason}");
        // By the message, or found by looking: whichever came first made the run; the message leads to no other.
        publish(&world, &dataset_ready(1)).await?;
        world.becomes("SELECT count(*) FROM training_runs", 1).await
    })
    .await
}

#[tokio::test]
async fn a_damaged_batch_is_a_dead_letter() -> Result<()> {
    in_world(|world| async move {
        // It never looks by itself here, so that the message leads to the run.
        let late = [
            ("LAPIDARY__TRAINER__SWEEP_INTERVAL_MS", "86400000"),
            ("LAPIDARY__TELEMETRY__LOG", "info,trainer=debug"),
        ];
        damaged(&world).await?;
        // The dataset version is hidden until it has looked; then the message leads to the run.
        world
            .database
            .execute("ALTER TABLE datasets RENAME TO hidden")
            .await?;
        let trainer = world.start("trainer", &late).await?;
        trainer.logged("looked for missing runs").await?;
        world
            .database
            .execute("ALTER TABLE hidden RENAME TO datasets")
            .await?;
        let reasons = dead_letters(&world, 1).await?;
        assert!(reasons[0].contains("is damaged"), "{}", reasons[0]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_run_that_fails_three_times_has_failed_for_everybody_to_see() -> Result<()> {
    in_world(|world| async move {
        refuse_models(&world).await?;
        let _ingest = world.start("ingest", &[]).await?;
        let _trainer = world.start("trainer", &QUICK).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world
            .becomes("SELECT count(*) FROM training_runs WHERE status = 'failed'", 1)
            .await?;
        let failed = json!({"status": "failed", "attempts": 3, "failures": 3, "crashes": 0});
        assert_eq!(world.database.query(RUNS).await?, [failed]);
        world
            .becomes("SELECT count(*) FROM events WHERE type = 'run.failed'", 1)
            .await
    })
    .await
}
