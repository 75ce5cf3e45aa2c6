//! Postgres goes, hangs, takes nothing, and comes back.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{Cluster, Proxy, TestDatabase, World, in_world, in_world_on, until};

use super::{api_by_way_of, away, drained, load::Load, metric, number};

/// The numbers of one scrape add up.
async fn adds_up(url: &str) -> Result<()> {
    let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
    let answered = number(&text, "lapidary_traffic_answered_total")?;
    let committed = number(&text, "lapidary_traffic_records_total{outcome=\"committed\"}")?;
    let spooled = number(&text, "lapidary_traffic_records_total{outcome=\"spooled\"}")?;
    ensure!(
        answered == committed + spooled,
        "{answered} = {committed} + {spooled}"
    );
    Ok(())
}

#[tokio::test]
async fn without_postgres_answers_go_on_and_are_on_record_once_it_is_back() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let api = api_by_way_of(&world, &way.url(), &[]).await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 16);
        for _ in 0..5 {
            load.grows(200).await?;
            adds_up(&url).await?;
            way.cut().await;
            away(&url).await?;
            load.grows(200).await?;
            adds_up(&url).await?;
            way.restore();
            until("Postgres to be back", async || {
                Ok((metric(&url, "lapidary_traffic_away").await? == 0.0).then_some(()))
            })
            .await?;
        }
        load.grows(200).await?;
        drop(clients);
        drained(&url).await?;
        adds_up(&url).await?;
        let spooled = metric(&url, "lapidary_traffic_records_total{outcome=\"spooled\"}").await?;
        ensure!(spooled >= 1000.0, "{spooled}");
        until("what was spooled to be counted as drained, once", async || {
            let drained = metric(&url, "lapidary_traffic_drained_total").await?;
            ensure!(drained <= spooled, "{drained} of {spooled} were drained");
            Ok((drained == spooled).then_some(()))
        })
        .await?;
        load.is_on_record(&world).await
    })
    .await
}

#[tokio::test]
async fn a_postgres_that_is_stopped_under_load_and_started_again_has_every_answer() -> Result<()> {
    let mut server = Cluster::start().await?;
    let database = TestDatabase::migrated_on(&server.url()).await?;
    let server = &mut server;
    in_world_on(database, |world| async move {
        let api = world.start("api", &[]).await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 16);
        let stops: [fn(&mut Cluster) -> Result<()>; 3] = [Cluster::crash, Cluster::shut_down, Cluster::crash];
        for stop in stops {
            load.grows(200).await?;
            stop(server)?;
            away(&url).await?;
            load.grows(200).await?;
            server.launch().await?;
            drained(&url).await?;
        }
        load.grows(200).await?;
        drop(clients);
        drained(&url).await?;
        adds_up(&url).await?;
        load.is_on_record(&world).await
    })
    .await
}

#[tokio::test]
async fn what_a_postgres_that_hangs_does_not_commit_is_spooled() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let api = api_by_way_of(
            &world,
            &way.url(),
            &[("LAPIDARY__TRAFFIC__COMMIT_TIMEOUT_MS", "200")],
        )
        .await?;
        let (url, load) = (api.address().await?, Load::default());
        let _clients = load.start(&url, 16);
        load.grows(200).await?;
        way.hold();
        away(&url).await?;
        load.grows(200).await?;
        way.restore();
        drained(&url).await?;
        load.is_on_record(&world).await
    })
    .await
}

async fn none_spooled(url: &str) -> Result<()> {
    let spooled = metric(url, "lapidary_traffic_records_total{outcome=\"spooled\"}").await?;
    ensure!(spooled == 0.0, "{spooled} records went to the spool");
    Ok(())
}

/// Ends those of the API's connections to Postgres of which `which` is true, at Postgres' end.
async fn ended(world: &World, which: &str) -> Result<()> {
    let end = format!(
        "SELECT pg_terminate_backend(pid, 60000) AS done FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'api' AND {which}"
    );
    let ended = world.database.query(&end).await?;
    ensure!(
        !ended.is_empty() && ended.iter().all(|it| it["done"] == true),
        "{ended:?}"
    );
    Ok(())
}

#[tokio::test]
async fn connections_that_postgres_ends_are_made_anew_without_a_detour() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 16);
        for _ in 0..5 {
            load.grows(200).await?;
            ended(&world, "true").await?;
        }
        load.grows(200).await?;
        drop(clients);
        adds_up(&url).await?;
        none_spooled(&url).await?;
        load.is_on_record(&world).await
    })
    .await
}

/// Lets Postgres wait for whoever has [`HOLD`] before it records a request of this path.
const HELD_UP: &str = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS \
        $$BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END$$; \
    CREATE TRIGGER hold BEFORE INSERT ON traffic FOR EACH ROW WHEN (NEW.path = '/held-up') EXECUTE FUNCTION hold()";
const HOLD: &str = "SELECT pg_advisory_xact_lock(4711)";

#[tokio::test]
async fn a_transaction_that_is_held_up_holds_up_nobody_else() -> Result<()> {
    in_world(|world| async move {
        let patient = [("LAPIDARY__TRAFFIC__COMMIT_TIMEOUT_MS", "600000")];
        let api = world.start("api", &patient).await?;
        let (url, load) = (api.address().await?, Load::default());
        world.database.execute(HELD_UP).await?;
        let hold = world.database.begin().await?;
        hold.execute(HOLD).await?;
        let held_up = tokio::spawn(reqwest::get(format!("{url}/held-up")));
        until("a transaction that is held up", async || {
            let waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                           AND wait_event = 'advisory' AND application_name = 'api'";
            Ok((!world.database.query(waiting).await?.is_empty()).then_some(()))
        })
        .await?;
        // The stand-in's own connection among them: it has not been needed, and is not there when it is.
        ended(&world, "wait_event <> 'advisory'").await?;
        let clients = load.start(&url, 16);
        load.grows(400).await?;
        ensure!(!held_up.is_finished(), "it was answered before it was on record");
        hold.rollback().await?;
        let id = held_up.await??.headers()["x-request-id"].to_str()?.to_owned();
        let held_up = format!("SELECT count(*) FROM traffic WHERE id = '{id}'");
        ensure!(
            world.database.number(&held_up).await? == 1,
            "{id} is not on record"
        );
        load.grows(400).await?;
        drop(clients);
        adds_up(&url).await?;
        none_spooled(&url).await?;
        ensure!(metric(&url, "lapidary_traffic_stand_in_groups_total").await? > 0.0);
        load.is_on_record(&world).await
    })
    .await
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_it_may_is_given_up_and_on_record() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let settings = [("LAPIDARY__API__REQUEST_TIMEOUT_MS", "1500")];
        let api = api_by_way_of(&world, &way.url(), &settings).await?;
        let url = api.address().await?;
        let models = format!("{url}/v1/models");
        ensure!(reqwest::get(&models).await?.status() == 200);
        way.hold();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .build()?;
        let answer = client.get(&models).send().await?;
        ensure!(answer.status() == 503, "{answer:?}");
        let id = answer.headers()["x-request-id"].to_str()?.to_owned();
        let text = answer.text().await?;
        ensure!(text.contains("this took too long, and was given up"), "{text}");
        way.restore();
        drained(&url).await?;
        let status = format!("SELECT status FROM traffic WHERE id = '{id}'");
        ensure!(world.database.query(&status).await? == [json!({"status": 503})]);
        Ok(())
    })
    .await
}

async fn read_only(world: &World, how: &str) -> Result<()> {
    let name = world
        .database
        .url()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    world
        .database
        .execute(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = {how}"
        ))
        .await?;
    let sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'api'";
    world.database.execute(sessions).await
}

#[tokio::test]
async fn a_postgres_that_takes_no_writes_is_waited_for() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 4);
        load.grows(100).await?;
        read_only(&world, "on").await?;
        away(&url).await?;
        load.grows(100).await?;
        assert!(metric(&url, "lapidary_traffic_spool_bytes").await? > 0.0);
        read_only(&world, "off").await?;
        drained(&url).await?;
        drop(clients);
        drained(&url).await?;
        load.is_on_record(&world).await
    })
    .await
}

#[tokio::test]
async fn a_full_spool_refuses_rather_than_answer_unrecorded_and_says_so() -> Result<()> {
    in_world(|world| async move {
        let way = Proxy::start(world.database.url()).await?;
        let api = api_by_way_of(
            &world,
            &way.url(),
            &[("LAPIDARY__TRAFFIC__SPOOL_MAX_BYTES", "200000")],
        )
        .await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 16);
        load.grows(100).await?;
        way.cut().await;
        until("a full spool", async || Ok((load.refused() > 100).then_some(()))).await?;
        until("readiness to say so", async || {
            let ready: Value = reqwest::get(format!("{url}/readyz")).await?.json().await?;
            Ok((ready["components"]["traffic"]["state"] == "down").then_some(()))
        })
        .await?;
        drop(clients);
        let counted = metric(&url, "lapidary_traffic_refused_total").await?;
        ensure!(counted >= load.refused() as f64, "{counted}");
        adds_up(&url).await?;
        way.restore();
        drained(&url).await?;
        load.is_on_record(&world).await
    })
    .await
}
