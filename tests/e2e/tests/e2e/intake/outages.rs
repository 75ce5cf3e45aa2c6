//! While something is down intake waits and says so; afterwards it goes on by itself.

use std::{fs, io::Write as _, time::Duration};

use anyhow::{Context as _, Result};
use reqwest::{Method, Url};
use serde_json::Value;
use testkit::{Process, Proxy, Transaction, World, generate::Diamonds, in_world, until};

use crate::{data::diamonds, training::bind_training_queue};

/// Waits until readiness says this of a component.
pub(crate) async fn says(ingest: &Process, component: &str, state: &str) -> Result<()> {
    let url = format!("{}/readyz", ingest.address().await?);
    until(&format!("{component} {state}"), async || {
        let answer: Value = reqwest::get(&url).await?.json().await?;
        Ok((answer["components"][component]["state"] == state).then_some(()))
    })
    .await
}

pub(super) async fn metric(ingest: &Process, name: &str) -> Result<Option<String>> {
    let url = format!("{}/metrics", ingest.address().await?);
    let text = reqwest::get(&url).await?.text().await?;
    let line = text.lines().find(|line| line.split('{').next() == Some(name));
    Ok(line
        .and_then(|line| line.rsplit(' ').next())
        .map(ToOwned::to_owned))
}

async fn one_file_was_taken(world: &World) -> Result<()> {
    world.report("accepted", "a.csv").await?;
    for table in ["data_files", "datasets"] {
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
}

#[tokio::test]
async fn without_postgres_a_file_waits_in_the_inbox() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let ingest = world
            .start("ingest", &[("LAPIDARY__POSTGRES__URL", &way.url())])
            .await?;
        says(&ingest, "postgres", "up").await?;
        way.cut().await;
        says(&ingest, "postgres", "down").await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        until("the file to be counted", async || {
            let waiting = metric(&ingest, "lapidary_files_waiting").await?;
            Ok((waiting.as_deref() == Some("1")).then_some(()))
        })
        .await?;
        assert!(world.path("inbox/a.csv").exists());
        way.restore();
        one_file_was_taken(&world).await?;
        says(&ingest, "postgres", "up").await
    })
    .await
}

#[tokio::test]
async fn without_the_broker_a_file_is_taken_and_its_event_waits() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(&world.vhost.url()).await?;
        let ingest = world
            .start("ingest", &[("LAPIDARY__RABBITMQ__URL", &way.url())])
            .await?;
        says(&ingest, "broker", "up").await?;
        bind_training_queue(&world, "train.linear").await?;
        way.cut().await;
        says(&ingest, "broker", "down").await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        one_file_was_taken(&world).await?;
        let waiting = "SELECT count(*) FROM events WHERE published_at IS NULL";
        assert_eq!(world.database.number(waiting).await?, 2);
        way.restore();
        world.becomes(waiting, 0).await
    })
    .await
}

#[tokio::test]
async fn an_event_that_no_queue_took_is_published_again_until_one_does() -> Result<()> {
    in_world(|world| async move {
        let ingest = world.start("ingest", &[]).await?;
        says(&ingest, "broker", "up").await?;
        world
            .vhost
            .call(Method::DELETE, "queues/{vhost}/train.linear", None)
            .await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        one_file_was_taken(&world).await?;
        // Made anew by the relay, and bound by its trainer.
        bind_training_queue(&world, "train.linear").await?;
        world
            .becomes("SELECT count(*) FROM events WHERE published_at IS NULL", 0)
            .await?;
        until("the message in the queue", async || {
            let queue = world
                .vhost
                .call(Method::GET, "queues/{vhost}/train.linear", None)
                .await?;
            Ok((queue["messages"] == 1).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_waited_for() -> Result<()> {
    in_world(|world| async move {
        // Not even root can make a folder where a file is.
        fs::create_dir(world.path("store"))?;
        let ingest = world.start("ingest", &[]).await?;
        let batches = world.path("store/batches");
        fs::write(&batches, b"in the way")?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        says(&ingest, "store", "down").await?;
        assert!(world.path("inbox/a.csv").exists());
        fs::remove_file(&batches)?;
        one_file_was_taken(&world).await?;
        says(&ingest, "store", "up").await
    })
    .await
}

#[tokio::test]
async fn a_file_that_cannot_be_moved_is_taken_once_and_moved_when_that_can_be() -> Result<()> {
    in_world(|world| async move {
        let ingest = world.start("ingest", &[]).await?;
        let accepted = world.path("inbox/accepted");
        fs::remove_dir(&accepted)?;
        fs::write(&accepted, b"in the way")?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        says(&ingest, "inbox", "down").await?;
        fs::remove_file(&accepted)?;
        fs::create_dir(&accepted)?;
        one_file_was_taken(&world).await?;
        says(&ingest, "inbox", "up").await
    })
    .await
}

/// Where dataset versions are given out, the test stands in the way.
pub(super) async fn closed_gate(world: &World) -> Result<Transaction> {
    let gate = world.database.begin().await?;
    gate.execute("SELECT pg_advisory_xact_lock(x'6c6170690002'::bigint)")
        .await?;
    Ok(gate)
}

async fn waits_at_the_gate(world: &World) -> Result<()> {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event = 'advisory' AND application_name = 'ingest'";
    world.becomes(waiting, 1).await
}

#[tokio::test]
async fn a_batch_that_housekeeping_took_before_the_commit_is_kept_again() -> Result<()> {
    in_world(|world| async move {
        let gate = closed_gate(&world).await?;
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        waits_at_the_gate(&world).await?;
        let batches = world.path("store/batches");
        fs::remove_dir_all(&batches)?;
        gate.rollback().await?;
        one_file_was_taken(&world).await?;
        let digest = "SELECT encode(batch_sha256, 'hex') AS digest FROM data_files";
        let rows = world.database.query(digest).await?;
        let digest = rows[0]["digest"].as_str().context("no digest")?;
        let kept = batches.join(&digest[..2]).join(format!("{digest}.parquet"));
        assert!(kept.exists(), "{}", kept.display());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_file_that_is_written_to_before_its_commit_is_read_again() -> Result<()> {
    in_world(|world| async move {
        let gate = closed_gate(&world).await?;
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        waits_at_the_gate(&world).await?;
        let more = Diamonds::new(50, 9).to_bytes();
        let rows = more.splitn(2, |byte| *byte == b'\n').nth(1).context("no rows")?;
        fs::OpenOptions::new()
            .append(true)
            .open(world.path("inbox/a.csv"))?
            .write_all(rows)?;
        gate.rollback().await?;
        one_file_was_taken(&world).await?;
        assert_eq!(
            world.database.number("SELECT rows_read FROM data_files").await?,
            150
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn times_in_the_far_past_and_future_change_nothing() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        for (name, seed, years) in [("past.csv", 1, 1), ("future.csv", 2, 200)] {
            let path = world.path(name);
            fs::write(&path, diamonds(100, seed))?;
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(years * 31_556_952);
            fs::File::options().write(true).open(&path)?.set_modified(time)?;
            fs::rename(&path, world.path("inbox").join(name))?;
            world.report("accepted", name).await?;
        }
        Ok(())
    })
    .await
}

/// A service that must end by itself; what it said, and where it is said.
async fn refused(world: &World, service: &str, url: &str) -> Result<String> {
    let settings = [("LAPIDARY__POSTGRES__URL", url)];
    let ended = tokio::time::timeout(Duration::from_secs(30), world.run(service, &[], &settings));
    let ended = ended
        .await
        .with_context(|| format!("{service} waits for {url}"))??;
    assert!(!ended.success, "{service}: {ended:?}");
    Ok(ended.stderr)
}

/// W2: a wrong password or a missing database was waited for for ever, as "Postgres is unavailable".
#[tokio::test]
async fn a_postgres_that_refuses_a_service_ends_it_with_the_reason() -> Result<()> {
    in_world(|world| async move {
        let mut wrong = Url::parse(world.database.url())?;
        wrong.set_password(Some("wrong")).ok().context("no password")?;
        let mut missing = Url::parse(world.database.url())?;
        missing.set_path("there_is_no_such_database");
        for service in ["ingest", "trainer", "api"] {
            let said = refused(&world, service, wrong.as_str()).await?;
            assert!(
                said.contains("password authentication failed"),
                "{service}: {said}"
            );
            assert!(said.contains("postgres.url"), "{service}: {said}");
            let said = refused(&world, service, missing.as_str()).await?;
            assert!(said.contains("there_is_no_such_database"), "{service}: {said}");
        }
        Ok(())
    })
    .await
}

/// W12: a Postgres that takes no changes was shown as up.
#[tokio::test]
async fn a_read_only_postgres_is_told_and_waited_for() -> Result<()> {
    in_world(|world| async move {
        let ingest = world.start("ingest", &[]).await?;
        says(&ingest, "postgres", "up").await?;
        read_only(&world, "on").await?;
        says(&ingest, "postgres", "degraded").await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        until("the file to wait", async || {
            let waits = |line: &Value| line["message"] == "a file waits";
            Ok(ingest.lines().iter().any(waits).then_some(()))
        })
        .await?;
        read_only(&world, "off").await?;
        one_file_was_taken(&world).await?;
        says(&ingest, "postgres", "up").await
    })
    .await
}

/// For the service's connections, which are made anew.
async fn read_only(world: &World, switch: &str) -> Result<()> {
    let database = "SELECT current_database() AS name";
    let rows = world.database.query(database).await?;
    let name = rows[0]["name"].as_str().context("no name")?;
    let setting = format!(
        "SET transaction_read_only = off; ALTER DATABASE {name} SET default_transaction_read_only = {switch}"
    );
    world.database.execute(&setting).await?;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
               AND application_name = 'ingest'";
    world.database.execute(end).await
}
