//! SIGKILL of ingest between any two steps: one effect per file, whatever was cut off.

use anyhow::{Context as _, Result};
use domain::Sha256;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::{World, in_world, until};

use crate::{data::diamonds, training::bind_training_queue};

/// Waits until the events are published, and returns those that the training queue got, each once.
async fn delivered(world: &World) -> Result<Vec<Value>> {
    world
        .becomes("SELECT count(*) FROM events WHERE published_at IS NULL", 0)
        .await?;
    let ask = json!({"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"});
    let path = "queues/{vhost}/train.linear/get";
    until("the event in the queue", async || {
        let messages = world.vhost.call(Method::POST, path, Some(ask.clone())).await?;
        let bodies = messages.as_array().into_iter().flatten();
        let mut events: Vec<Value> = bodies
            .filter_map(|message| serde_json::from_str(message["payload"].as_str()?).ok())
            .collect();
        events.dedup_by_key(|event| event["id"].clone());
        Ok((!events.is_empty()).then_some(events))
    })
    .await
}

#[rstest]
#[tokio::test]
async fn ingest_killed_at_a_fail_point_takes_the_file_exactly_once(
    #[values(
        "read",
        "stored",
        "locked",
        "committed",
        "publishing",
        "published",
        "reported",
        "moved"
    )]
    point: &'static str,
) -> Result<()> {
    in_world(|world| async move {
        let content = [diamonds(200, 1), b"-1,Ideal,H,SI2,62,55,1,6,6,4\n".to_vec()].concat();
        // The file waits for the services, so that RabbitMQ's queue is there before its event.
        let stopping = [("LAPIDARY_FAILPOINT", point)];
        let victim = world.start("ingest-failpoints", &stopping).await?;
        // As a trainer does that will come later.
        bind_training_queue(&world, "train.linear").await?;
        world.drop_file("a.csv", &content)?;
        let at = victim.logged("at the fail point").await?;
        assert_eq!(at["point"], point);
        victim.crash().await?;

        let _again = world.start("ingest", &[]).await?;
        let report = world.report("accepted", "a.csv").await?;
        assert_eq!(report["sha256"], Sha256::of(&content).to_string());
        let rows = ["rows_read", "rows_accepted", "rows_known", "rows_rejected"].map(|name| report[name].clone());
        assert_eq!(rows, [201, 200, 0, 1].map(Value::from));
        let counts = "SELECT (SELECT count(*) FROM data_files) AS files, (SELECT count(*) FROM datasets) AS versions, \
                      (SELECT count(*) FROM events WHERE type = 'dataset.ready') AS events";
        let expected = json!({"files": 1, "versions": 1, "events": 1});
        assert_eq!(world.database.query(counts).await?, [expected]);
        assert_eq!(delivered(&world).await?.len(), 1, "one event, however often delivered");

        let folder = world.path("inbox/accepted");
        let mut names: Vec<_> = std::fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        names.sort();
        assert_eq!(names, ["a.csv", "a.csv.rejected.csv", "a.csv.report.json"]);
        assert_eq!(std::fs::read(folder.join("a.csv"))?, content);
        let rows = std::fs::read_to_string(folder.join("a.csv.rejected.csv"))?;
        let rejected = rows.lines().nth(1).context("no rejected row")?;
        assert!(rejected.starts_with("202,"), "{rejected}");
        let left = std::fs::read_dir(world.path("inbox"))?.count();
        assert_eq!(left, 3, "the folders alone are left");
        Ok(())
    })
    .await
}
