//! Training runs, whatever happens to their trainers, their broker, their database and their store.

mod commands;
mod dead_letters;
mod gate;
mod limits;
mod notebook;
mod retries;
mod servers;
mod stops;
mod topology;

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::{Method, Transaction, World, until};

pub use topology::bind_training_queue;

/// Settings with which a trainer notices everything soon.
pub const QUICK: [(&str, &str); 3] = [
    ("LAPIDARY__TRAINER__LEASE_MS", "1000"),
    ("LAPIDARY__TRAINER__SWEEP_INTERVAL_MS", "200"),
    ("LAPIDARY__TRAINER__RETRY_AFTER_MS", "50"),
];

pub const RUNS: &str = "SELECT status, attempts, failures, crashes FROM training_runs";

/// Keeps every run from committing its model, until the transaction is rolled back.
pub async fn hold_commits(world: &World) -> Result<Transaction> {
    let transaction = world.database.begin().await?;
    transaction.execute("LOCK TABLE models IN EXCLUSIVE MODE").await?;
    Ok(transaction)
}

/// Waits until so many trainers wait for the lock.
pub async fn held(world: &World, trainers: i64) -> Result<()> {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND application_name LIKE 'trainer%'";
    world
        .becomes(&format!("least({trainers}, ({waiting}))"), trainers)
        .await
}

/// Overwrites everything that the object store keeps in a folder, `batches` or `artifacts`.
pub fn damage(world: &World, folder: &str) -> Result<()> {
    for shelf in std::fs::read_dir(world.path("store").join(folder))? {
        for object in std::fs::read_dir(shelf?.path())? {
            std::fs::write(object?.path(), b"no more")?;
        }
    }
    Ok(())
}

/// Publishes into the queue of the kind `linear`, which is there once a trainer is connected.
pub async fn publish(world: &World, payload: &str) -> Result<()> {
    world.vhost.publish("train.linear", payload).await
}

/// Keeps every model from being committed, with an error that is no outage.
pub async fn refuse_models(world: &World) -> Result<()> {
    world
        .database
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'no models today'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON models FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await
}

/// Waits for so many dead letters; their reasons, oldest first.
pub async fn dead_letters(world: &World, count: usize) -> Result<Vec<String>> {
    let headers = dead_letter_headers(world, count).await?;
    let reason = |headers: &Value| {
        let reason = headers["x-lapidary-reason"].as_str();
        Ok(reason.context("a dead letter without a reason")?.to_owned())
    };
    headers.iter().map(reason).collect()
}

/// Waits for so many dead letters; their headers, oldest first.
pub async fn dead_letter_headers(world: &World, count: usize) -> Result<Vec<Value>> {
    let all = serde_json::json!({"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"});
    let letters = until(&format!("{count} dead letters"), async || {
        let path = "queues/{vhost}/dead-letters/get";
        // The queue is there once the first service is.
        let Ok(letters) = world.vhost.call(Method::POST, path, Some(all.clone())).await else {
            return Ok(None);
        };
        Ok(letters
            .as_array()
            .filter(|letters| letters.len() >= count)
            .cloned())
    })
    .await?;
    let headers = |letter: &Value| letter["properties"]["headers"].clone();
    Ok(letters.iter().map(headers).collect())
}
