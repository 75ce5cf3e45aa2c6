//! Postgres goes silent in the middle of a statement: no loop stops for good, readiness says so meanwhile, and services
//! can be stopped.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::{Process, Proxy, Signal, Transaction, World, in_world, until};
use tokio::time::timeout;

use crate::{
    data::{diamonds, serves},
    training::{QUICK, bind_training_queue},
};

/// Longer than it takes to stop, and far shorter than a statement's limit or the drain timeout.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
const UNPUBLISHED: &str = "SELECT count(*) FROM events WHERE published_at IS NULL";

/// A service that reaches Postgres by this way, and gives statements up soon.
async fn start_by(way: &Proxy, world: &World, service: &str, more: &[(&str, &str)]) -> Result<Process> {
    let url = way.url();
    let by = [
        ("LAPIDARY__POSTGRES__URL", url.as_str()),
        ("LAPIDARY__POSTGRES__STATEMENT_TIMEOUT_MS", "2000"),
    ];
    world.start(service, &[&by, more].concat()).await
}

/// Keeps everybody from a table, until the transaction is rolled back.
async fn lock(world: &World, table: &str) -> Result<Transaction> {
    let gate = world.database.begin().await?;
    gate.execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        .await?;
    Ok(gate)
}

/// Waits until a service waits for a lock, and lets everything fall silent: open connections for ever, new ones until
/// the way is restored. Then the lock is let go, and readiness says that Postgres is away.
async fn falls_silent(
    way: &Proxy,
    world: &World,
    service: &Process,
    name: &str,
    gate: Transaction,
) -> Result<()> {
    let waiting = format!(
        "SELECT least(1, count(*)) FROM pg_stat_activity WHERE datname = current_database() \
         AND wait_event_type = 'Lock' AND application_name = '{name}'"
    );
    world.becomes(&waiting, 1).await?;
    way.silence();
    way.hold();
    gate.rollback().await?;
    says(service, "postgres", "down").await
}

/// Waits until readiness says this of a component.
async fn says(service: &Process, component: &str, state: &str) -> Result<()> {
    let url = format!("{}/readyz", service.address().await?);
    until(&format!("{component} {state}"), async || {
        let answer: Value = reqwest::get(&url).await?.json().await?;
        Ok((answer["components"][component]["state"] == state).then_some(()))
    })
    .await
}

/// W7: ingest.
#[tokio::test]
async fn ingest_takes_a_file_although_postgres_fell_silent_during_its_acceptance() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let ingest = start_by(&way, &world, "ingest", &[]).await?;
        // Where dataset versions are given out.
        let gate = world.database.begin().await?;
        gate.execute("SELECT pg_advisory_xact_lock(x'6c6170690002'::bigint)")
            .await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        falls_silent(&way, &world, &ingest, "ingest", gate).await?;
        assert!(world.path("inbox/a.csv").exists());
        way.restore();
        world.report("accepted", "a.csv").await?;
        let versions = world.database.number("SELECT count(*) FROM datasets").await?;
        assert_eq!(versions, 1);
        says(&ingest, "postgres", "up").await
    })
    .await
}

/// W7: a claim.
#[tokio::test]
async fn a_trainer_claims_although_postgres_fell_silent_during_a_claim() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.report("accepted", "a.csv").await?;
        let way = Proxy::start(world.database.url()).await?;
        let gate = lock(&world, "training_runs").await?;
        let trainer = start_by(&way, &world, "trainer", &QUICK).await?;
        falls_silent(&way, &world, &trainer, "trainer", gate).await?;
        way.restore();
        world.becomes("SELECT count(*) FROM models", 1).await?;
        says(&trainer, "postgres", "up").await
    })
    .await
}

/// W7: the relay, which says for itself that events wait.
#[tokio::test]
async fn the_relay_publishes_although_postgres_fell_silent_during_its_look() -> Result<()> {
    in_world(|world| async move {
        let (way, broker) = (
            Proxy::start(world.database.url()).await?,
            Proxy::start(&world.vhost.url()).await?,
        );
        let ingest = start_by(
            &way,
            &world,
            "ingest",
            &[("LAPIDARY__RABBITMQ__URL", &broker.url())],
        )
        .await?;
        says(&ingest, "relay", "up").await?;
        bind_training_queue(&world, "train.linear").await?;
        broker.cut().await;
        says(&ingest, "relay", "degraded").await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        world.report("accepted", "a.csv").await?;
        assert_eq!(world.database.number(UNPUBLISHED).await?, 2);
        let gate = lock(&world, "events").await?;
        falls_silent(&way, &world, &ingest, "ingest", gate).await?;
        broker.restore();
        way.restore();
        world.becomes(UNPUBLISHED, 0).await?;
        says(&ingest, "relay", "up").await
    })
    .await
}

/// W7: the API, which looks the champion up.
#[tokio::test]
async fn the_api_serves_a_new_champion_although_postgres_fell_silent_during_its_look() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let api = start_by(
            &way,
            &world,
            "api",
            &[("LAPIDARY__API__RECONCILE_INTERVAL_MS", "200")],
        )
        .await?;
        let gate = lock(&world, "promotions").await?;
        falls_silent(&way, &world, &api, "api", gate).await?;
        let _ingest = world.start("ingest", &[]).await?;
        let _trainer = world.start("trainer", &QUICK).await?;
        world.drop_file("a.csv", &diamonds(600, 1))?;
        world.becomes("SELECT count(*) FROM promotions", 1).await?;
        way.restore();
        serves(&api.address().await?, 1).await?;
        says(&api, "postgres", "up").await
    })
    .await
}

/// W5: a trainer whose loops all wait for an answer that never comes, each for longer than a stop may take.
#[tokio::test]
async fn a_trainer_stops_although_postgres_fell_silent_while_it_ran() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world.report("accepted", "a.csv").await?;
        let way = Proxy::start(world.database.url()).await?;
        let gate = lock(&world, "training_runs").await?;
        let patient = [("LAPIDARY__POSTGRES__STATEMENT_TIMEOUT_MS", "30000")];
        let mut trainer = start_by(&way, &world, "trainer", &[&QUICK[..], &patient].concat()).await?;
        falls_silent(&way, &world, &trainer, "trainer", gate).await?;
        trainer.signal(Signal::SIGTERM)?;
        let ended = timeout(STOPS_WITHIN, trainer.ended()).await;
        let success = ended.with_context(|| format!("it ignores it: {:#?}", trainer.lines()))??;
        assert!(success, "{:#?}", trainer.lines());
        Ok(())
    })
    .await
}

/// W5: every service.
#[tokio::test]
async fn a_service_that_waits_for_postgres_stops_when_it_is_told_to() -> Result<()> {
    in_world(|world| async move {
        for name in ["ingest", "trainer", "api"] {
            let way = Proxy::start(world.database.url()).await?;
            way.hold();
            let mut service = world
                .start(name, &[("LAPIDARY__POSTGRES__URL", &way.url())])
                .await?;
            way.holds_something().await;
            let told = Instant::now();
            service.signal(Signal::SIGTERM)?;
            let ended = timeout(STOPS_WITHIN, service.ended()).await;
            let success = ended.with_context(|| format!("{name} ignores it: {:#?}", service.lines()))??;
            assert!(success, "{name}: {:#?}", service.lines());
            assert!(told.elapsed() < STOPS_WITHIN);
        }
        Ok(())
    })
    .await
}
