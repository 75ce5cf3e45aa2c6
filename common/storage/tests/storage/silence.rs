//! A Postgres, or a way to it, that goes silent in the middle of something.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use domain::ModelKind;
use secrecy::SecretString;
use storage::{Database, DatabaseSettings, StorageError, runs::claim::Claim};
use testkit::{Proxy, TestDatabase, until};

use crate::support::{accept, accept_rows, claimed, kept, over_registry, terms};

const LIMIT: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(600);
/// Limit, grace and a connection that has to be made: what a call may take on a busy machine.
const SOON: Duration = Duration::from_secs(25);

/// Another connection to the same registry, by a way that can fall silent.
async fn by(way: &Proxy) -> Result<Database> {
    let settings = DatabaseSettings {
        url: SecretString::from(way.url()),
        max_connections: 2,
        application: "silenced".to_owned(),
        statement_limit: LIMIT,
    };
    Ok(Database::connect(&settings).await?)
}

/// Waits until the silenced registry waits for a lock.
async fn waits_for_a_lock(raw: &TestDatabase) -> Result<()> {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND application_name = 'silenced'";
    until("a statement that waits for a lock", async || {
        Ok((raw.number(waiting).await? > 0).then_some(()))
    })
    .await
}

/// The words of an error that waiting may mend.
fn unavailable<T: std::fmt::Debug>(answer: Result<T, StorageError>) -> Result<String> {
    match answer {
        Err(error) if error.is_unavailable() => Ok(format!("{:#}", anyhow::Error::new(error))),
        other => bail!("{other:?}"),
    }
}

/// W7: a statement whose answer never comes fails in words within its limit, and the next one has another connection.
#[tokio::test]
async fn a_call_on_a_connection_that_fell_silent_fails_in_words_and_the_next_succeeds() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let way = Proxy::start(raw.url()).await?;
        let silenced = by(&way).await?;
        let gate = raw.begin().await?;
        gate.execute("LOCK TABLE training_runs IN ACCESS EXCLUSIVE MODE")
            .await?;
        let started = Instant::now();
        let claim = {
            let silenced = silenced.clone();
            tokio::spawn(async move { silenced.claim_run(ModelKind::Linear, &terms(LEASE)).await })
        };
        waits_for_a_lock(&raw).await?;
        way.silence();
        gate.rollback().await?;
        let words = unavailable(claim.await?)?;
        assert!(words.contains("Postgres did not answer within 5 s"), "{words}");
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        // The server ends the transaction that the silent connection left, and with it the lock on claims.
        until("a claim over a new connection", async || {
            let claim = silenced.claim_run(ModelKind::Linear, &terms(LEASE)).await;
            Ok(matches!(claim, Ok(Claim::Claimed(_))).then_some(()))
        })
        .await
    })
    .await
}

/// W7: connections that fell silent, in use or idle, do not use the pool up.
#[tokio::test]
async fn silent_connections_make_room_for_new_ones_again_and_again() -> Result<()> {
    over_registry(|_, raw| async move {
        let way = Proxy::start(raw.url()).await?;
        let silenced = by(&way).await?;
        for _ in 0..3 {
            // Both places are taken when the way falls silent.
            let (one, other) = tokio::join!(silenced.newest_event(), silenced.newest_event());
            one?;
            other?;
            way.silence();
            let started = Instant::now();
            silenced.newest_event().await?;
            assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        }
        Ok(())
    })
    .await
}

/// W7: a server that hangs altogether is known to be away soon, whatever a statement may take.
#[tokio::test]
async fn a_hanging_server_is_away_within_seconds_and_back_when_it_answers() -> Result<()> {
    over_registry(|_, raw| async move {
        let way = Proxy::start(raw.url()).await?;
        let silenced = by(&way).await?;
        silenced.ping().await?;
        way.silence();
        way.hold();
        let started = Instant::now();
        unavailable(silenced.ping().await)?;
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        way.restore();
        until("an answer", async || Ok(silenced.ping().await.ok())).await
    })
    .await
}

/// W7: a lock that somebody keeps is waited for within a limit, and what waited can be tried again.
#[tokio::test]
async fn a_lock_that_is_kept_is_told_and_can_be_waited_for_again() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let way = Proxy::start(raw.url()).await?;
        let waiting = by(&way).await?;
        let gate = raw.begin().await?;
        gate.execute("SELECT pg_advisory_xact_lock(x'6c6170690002'::bigint)")
            .await?;
        let refused = accept_rows(&waiting, "b.csv", &kept()).await;
        let error = refused.err().context("it was accepted")?;
        let storage = error.downcast::<StorageError>()?;
        let words = unavailable(Err::<(), _>(storage))?;
        assert!(words.contains("lock timeout"), "{words}");
        gate.rollback().await?;
        accept_rows(&waiting, "b.csv", &kept()).await?;
        claimed(&waiting, LEASE).await.map(drop)
    })
    .await
}
