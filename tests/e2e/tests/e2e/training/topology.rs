//! Queues that cannot be used, bindings, and events that no queue takes.

use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Method, World, in_world, until};

use super::QUICK;
use crate::{data::diamonds, intake::says};

/// W4: `/readyz` said ready while consumers were dead, and one queue of another type stopped all of them.
#[tokio::test]
async fn a_trainer_that_cannot_use_a_queue_says_so_and_trains_the_other_kinds() -> Result<()> {
    in_world(|world| async move {
        let classic = json!({"durable": true, "arguments": {"x-queue-type": "classic"}});
        world
            .vhost
            .call(Method::PUT, "queues/{vhost}/train.linear", Some(classic))
            .await?;
        let kinds = [("LAPIDARY__TRAINING__KINDS", "linear,elastic_net")];
        let trainer = world.start("trainer", &kinds).await?;
        says(&trainer, "train.linear", "degraded").await?;
        says(&trainer, "train.elastic_net", "up").await?;
        says(&trainer, "store", "up").await?;
        let ready = reqwest::get(format!("{}/readyz", trainer.address().await?)).await?;
        let ready: Value = ready.json().await?;
        let detail = ready["components"]["train.linear"]["detail"].to_string();
        assert!(detail.contains("PRECONDITION_FAILED"), "{detail}");
        assert_eq!(ready["status"], "degraded", "{ready}");

        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        let trained =
            "SELECT count(*) FROM training_runs WHERE kind = 'elastic_net' AND status = 'succeeded'";
        world.becomes(trained, 1).await
    })
    .await
}

/// W3: two trainers unbound each other's queues, and ingest those of both: runs began half a minute late.
#[tokio::test]
async fn trainers_of_different_kinds_are_both_woken() -> Result<()> {
    in_world(|world| async move {
        // They never look for themselves after their start: only a message leads to a run.
        let trainer = async |kind: &str| {
            let settings = [
                ("LAPIDARY__TRAINING__KINDS", kind),
                ("LAPIDARY__TRAINER__SWEEP_INTERVAL_MS", "86400000"),
            ];
            let trainer = world.start("trainer", &settings).await?;
            says(&trainer, &format!("train.{kind}"), "up").await?;
            anyhow::Ok(trainer)
        };
        let (_linear, _elastic_net) = (trainer("linear").await?, trainer("elastic_net").await?);
        let ingest = world.start("ingest", &[]).await?;
        says(&ingest, "broker", "up").await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.becomes("SELECT count(*) FROM models", 2).await
    })
    .await
}

#[tokio::test]
async fn a_kind_is_unbound_by_a_command_and_not_while_it_is_switched_on() -> Result<()> {
    in_world(|world| async move {
        let _trainer = world.start("trainer", &QUICK).await?;
        bind_training_queue(&world, "train.xgboost").await?;
        let refused = world.run("trainer", &["kinds", "unbind", "linear"], &[]).await?;
        assert!(!refused.success, "{refused:?}");
        assert!(refused.stderr.contains("training.kinds"), "{refused:?}");
        let done = world.run("trainer", &["kinds", "unbind", "xgboost"], &[]).await?;
        assert!(done.success, "{done:?}");
        let path = "exchanges/{vhost}/lapidary.events/bindings/source";
        let bindings = world.vhost.call(Method::GET, path, None).await?;
        let bound: Vec<_> = bindings
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|binding| binding["destination"].as_str())
            .collect();
        assert_eq!(bound, ["train.linear"]);
        Ok(())
    })
    .await
}

/// Binds a queue as the trainer of its kind does, once it is there.
pub async fn bind_training_queue(world: &World, queue: &str) -> Result<()> {
    let path = format!("bindings/{{vhost}}/e/lapidary.events/q/{queue}");
    let key = json!({"routing_key": "dataset.ready"});
    until(&format!("the queue {queue}"), async || {
        Ok(world
            .vhost
            .call(Method::POST, &path, Some(key.clone()))
            .await
            .ok())
    })
    .await
    .map(drop)
}

/// Makes a queue that refuses every event for trainers.
async fn bind_full_queue(world: &World) -> Result<()> {
    let full = json!({"durable": true, "arguments":
        {"x-queue-type": "classic", "x-max-length": 1, "x-overflow": "reject-publish"}});
    world
        .vhost
        .call(Method::PUT, "queues/{vhost}/full", Some(full))
        .await?;
    world.vhost.publish("full", "the one that fills it").await?;
    bind_training_queue(world, "full").await
}

/// W3: events that a full queue refuses filled every batch of the relay and were published without a pause (22,000 in
/// 35 seconds), while others came 9 seconds late.
#[tokio::test]
async fn refused_events_hold_up_no_other_and_are_tried_again_at_a_bounded_rate() -> Result<()> {
    in_world(|world| async move {
        let ingest = world.start("ingest", &[]).await?;
        says(&ingest, "broker", "up").await?;
        bind_full_queue(&world).await?;
        world
            .database
            .execute(
                "INSERT INTO events (id, type, must_route, body, created_at) SELECT gen_random_uuid(), 'dataset.ready', \
                 true, '{}', now() FROM generate_series(1, 300)",
            )
            .await?;
        let started = Instant::now();
        world
            .becomes("SELECT count(*) FROM events WHERE refusals > 0", 300)
            .await?;
        // Past the first retries, one more event comes, for everybody else.
        world
            .becomes("SELECT least(10, count(*)) FROM events WHERE refusals > 1", 10)
            .await?;
        let hint = "INSERT INTO events (id, type, must_route, body, created_at) \
                    VALUES (gen_random_uuid(), 'run.started', false, '{}', clock_timestamp())";
        world.database.execute(hint).await?;
        world
            .becomes("SELECT count(*) FROM events WHERE published_at IS NOT NULL", 1)
            .await?;
        let waited = "SELECT (extract(epoch FROM published_at - created_at) * 1000)::bigint FROM events \
                      WHERE published_at IS NOT NULL";
        let waited = world.database.number(waited).await?;
        assert!(waited < 5_000, "{waited} ms");
        let retries = world.database.number("SELECT sum(refusals) - 300 FROM events").await?;
        // Ten at each look, one a second.
        let looks = i64::try_from(started.elapsed().as_secs())? + 2;
        assert!(retries <= 10 * looks, "{retries} retries in {looks} looks");
        until("the refused events to be counted", async || {
            let metrics = reqwest::get(format!("{}/metrics", ingest.address().await?)).await?;
            let metrics = metrics.text().await?;
            let counted = |line: &str| line.starts_with("lapidary_events_refused") && line.ends_with(" 300");
            Ok(metrics.lines().any(counted).then_some(()))
        })
        .await?;

        // When there is room again, all of them arrive.
        world.vhost.call(Method::DELETE, "queues/{vhost}/full", None).await?;
        bind_training_queue(&world, "train.linear").await?;
        world
            .becomes("SELECT least(20, count(*)) FROM events WHERE published_at IS NOT NULL", 20)
            .await
    })
    .await
}
