//! Claiming training runs: messages only wake a trainer up, this decides what there is to do.
//!
//! A claim takes the newest dataset version of its kind; older runs that were not started become
//! superseded, started ones never do. A claim holds as long as its lease, which the trainer renews
//! ([`Database::renew_lease`]); a run whose lease is over is taken over by the next claim, with the
//! next attempt. A run whose attempt failed is claimed by nobody before its `not_before`. All times here are the
//! database's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{DatasetVersion, ModelKind};
use sea_orm::{ConnectionTrait as _, FromQueryResult, JsonValue};
use uuid::Uuid;

use super::{
    finish::record_failure,
    open::{Origin, announce_start, insert},
};
use crate::{
    Database, StorageError,
    clock::{from_now, now},
    connection::DatabaseTransaction,
    database::sql,
};

/// How often a run's trainer may fall silent before the run counts as failed: what kills a trainer every time
/// must not do so for ever.
pub(super) const MAX_CRASHES: u32 = 10;

/// Who claims, and on what terms.
#[derive(Debug, Clone)]
pub struct ClaimTerms {
    /// The trainer's name, shown beside the run.
    pub worker: String,
    /// How long a claim holds without a sign of life.
    pub lease: Duration,
    /// The seed of new runs.
    pub seed: u64,
    /// The learner's settings for new runs, as JSON.
    pub settings: serde_json::Value,
}

/// A training run that is ours until the lease is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run_id: Uuid,
    /// What it trains.
    pub kind: ModelKind,
    /// What it trains on.
    pub dataset_version: DatasetVersion,
    /// Which attempt this is, counted from 1: results of any other are refused.
    pub attempt: u32,
    /// How many attempts failed before.
    pub failures: u32,
    /// The learner's settings, as the run was begun with.
    pub settings: serde_json::Value,
    /// What all its random choices follow from.
    pub seed: u64,
}

impl Lease {
    /// The first attempt at a new run.
    pub(super) fn first(kind: ModelKind, dataset_version: DatasetVersion, terms: &ClaimTerms) -> Self {
        Self {
            run_id: Uuid::now_v7(),
            kind,
            dataset_version,
            attempt: 1,
            failures: 0,
            settings: terms.settings.clone(),
            seed: terms.seed,
        }
    }
}

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A run to do.
    Claimed(Lease),
    /// The run is another trainer's, whose lease is not over yet.
    Busy,
    /// An attempt at the run failed; it may be claimed again after this long.
    Later(Duration),
    /// A run has failed for good just now, because its trainers kept falling silent; there may be another to do.
    GivenUp {
        /// The last attempt at it.
        lease: Lease,
        /// Why it failed.
        error: String,
    },
    /// Every run is done.
    NothingToDo,
}

#[derive(Debug, FromQueryResult)]
struct Candidate {
    id: Uuid,
    dataset_version: i64,
    seed: i64,
    status: String,
    attempts: i32,
    failures: i32,
    crashes: i32,
    settings: JsonValue,
    lease_is_over: bool,
    is_delayed: bool,
}

impl Database {
    /// Claims the run that `kind` has to do next, making it if need be.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn claim_run(&self, kind: ModelKind, terms: &ClaimTerms) -> Result<Claim, StorageError> {
        let transaction = self.connection.begin().await?;
        lock_kind(&transaction, kind).await?;
        let at = now(&transaction).await?;
        let Some(newest) = newest_dataset(&transaction).await? else {
            return Ok(Claim::NothingToDo);
        };
        supersede_older(&transaction, kind, newest).await?;
        let claim = match newest_run(&transaction, kind, newest).await? {
            None => {
                let lease = Lease::first(kind, newest, terms);
                insert(&transaction, &lease, Origin::Automatic, terms, at).await?;
                Claim::Claimed(lease)
            }
            Some(run) => resume(&transaction, kind, run, terms, at).await?,
        };
        let claim = match claim {
            Claim::NothingToDo => match abandoned_run(&transaction, kind).await? {
                Some(run) => resume(&transaction, kind, run, terms, at).await?,
                None => Claim::NothingToDo,
            },
            claim => claim,
        };
        let claim = match claim {
            Claim::NothingToDo => next_retry(&transaction, kind)
                .await?
                .map_or(Claim::NothingToDo, Claim::Later),
            claim => claim,
        };
        transaction.commit().await?;
        Ok(claim)
    }

    /// Renews a lease; false when the run is ours no more.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn renew_lease(&self, lease: &Lease, length: Duration) -> Result<bool, StorageError> {
        let text = format!(
            "UPDATE training_runs SET lease_until = {} WHERE id = $1 AND attempts = $2 AND status = 'running'",
            from_now(length)
        );
        let statement = sql(&text, [lease.run_id.into(), lease.attempt.cast_signed().into()]);
        Ok(self.connection.execute_raw(statement).await?.rows_affected() == 1)
    }
}

/// Serializes the claims of one kind.
async fn lock_kind(transaction: &DatabaseTransaction, kind: ModelKind) -> Result<(), StorageError> {
    let lock = sql(
        "SELECT pg_advisory_xact_lock(hashtextextended('train.' || $1, 0))",
        [kind.name().into()],
    );
    transaction.execute_raw(lock).await?;
    Ok(())
}

async fn newest_dataset(transaction: &DatabaseTransaction) -> Result<Option<DatasetVersion>, StorageError> {
    let statement = sql("SELECT max(version) AS version FROM datasets", []);
    let row = transaction.query_one_raw(statement).await?;
    let version: Option<i64> = row.map(|row| row.try_get("", "version")).transpose()?.flatten();
    version
        .map(DatasetVersion::try_from)
        .transpose()
        .map_err(|e| StorageError::bad_row("datasets", e))
}

async fn supersede_older(
    transaction: &DatabaseTransaction,
    kind: ModelKind,
    newest: DatasetVersion,
) -> Result<(), StorageError> {
    let statement = sql(
        "UPDATE training_runs SET status = 'superseded', finished_at = clock_timestamp() \
         WHERE automatic AND kind = $1 AND status = 'queued' AND dataset_version < $2",
        [kind.name().into(), i64::from(newest).into()],
    );
    transaction.execute_raw(statement).await?;
    Ok(())
}

const CANDIDATE: &str = "SELECT id, dataset_version, seed, status, attempts, failures, crashes, settings, \
    coalesce(lease_until < clock_timestamp(), false) AS lease_is_over, \
    coalesce(not_before > clock_timestamp(), false) AS is_delayed FROM training_runs";

async fn newest_run(
    transaction: &DatabaseTransaction,
    kind: ModelKind,
    newest: DatasetVersion,
) -> Result<Option<Candidate>, StorageError> {
    let text = format!(
        "{CANDIDATE} WHERE automatic AND kind = $1 AND dataset_version = $2 \
         ORDER BY started_at DESC, id DESC LIMIT 1 FOR UPDATE"
    );
    let row = transaction
        .query_one_raw(sql(&text, [kind.name().into(), i64::from(newest).into()]))
        .await?;
    Ok(row
        .map(|row| Candidate::from_query_result(&row, ""))
        .transpose()?)
}

/// A run on any version whose trainer fell silent, or that somebody asked for and whose trainer put it back.
async fn abandoned_run(
    transaction: &DatabaseTransaction,
    kind: ModelKind,
) -> Result<Option<Candidate>, StorageError> {
    let text = format!(
        "{CANDIDATE} WHERE kind = $1 AND (status = 'running' AND lease_until < clock_timestamp() \
         OR status = 'queued' AND NOT automatic AND coalesce(not_before <= clock_timestamp(), true)) \
         ORDER BY dataset_version DESC LIMIT 1 FOR UPDATE"
    );
    let row = transaction
        .query_one_raw(sql(&text, [kind.name().into()]))
        .await?;
    Ok(row
        .map(|row| Candidate::from_query_result(&row, ""))
        .transpose()?)
}

/// How long until a run of this kind that failed may be tried again, if one waits for that.
async fn next_retry(
    transaction: &DatabaseTransaction,
    kind: ModelKind,
) -> Result<Option<Duration>, StorageError> {
    let statement = sql(
        "SELECT extract(epoch FROM min(not_before) - clock_timestamp())::float8 AS seconds \
         FROM training_runs WHERE kind = $1 AND status = 'queued'",
        [kind.name().into()],
    );
    let row = transaction.query_one_raw(statement).await?;
    let seconds: Option<f64> = row.map(|row| row.try_get("", "seconds")).transpose()?.flatten();
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

async fn resume(
    transaction: &DatabaseTransaction,
    kind: ModelKind,
    run: Candidate,
    terms: &ClaimTerms,
    at: DateTime<Utc>,
) -> Result<Claim, StorageError> {
    match run.status.as_str() {
        "running" if !run.lease_is_over => return Ok(Claim::Busy),
        "queued" if run.is_delayed => return Ok(Claim::NothingToDo),
        "running" | "queued" => {}
        _ => return Ok(Claim::NothingToDo),
    }
    let crashes = non_negative(run.crashes)? + u32::from(run.status == "running");
    let lease = lease_of(kind, run)?;
    if crashes > MAX_CRASHES {
        let last = Lease {
            attempt: lease.attempt - 1,
            ..lease
        };
        let error = format!("its trainer fell silent {crashes} times; look for what kills it (memory?)");
        record_failure(transaction, &last, &error, &[], at).await?;
        return Ok(Claim::GivenUp { lease: last, error });
    }
    start_again(transaction, &lease, crashes, terms).await?;
    announce_start(transaction, &lease, at).await?;
    Ok(Claim::Claimed(lease))
}

/// The next attempt at a run.
fn lease_of(kind: ModelKind, run: Candidate) -> Result<Lease, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("training_runs", reason.to_string());
    Ok(Lease {
        run_id: run.id,
        kind,
        dataset_version: DatasetVersion::try_from(run.dataset_version).map_err(|e| bad(&e))?,
        attempt: non_negative(run.attempts)? + 1,
        failures: non_negative(run.failures)?,
        settings: run.settings,
        seed: u64::try_from(run.seed).map_err(|e| bad(&e))?,
    })
}

fn non_negative(number: i32) -> Result<u32, StorageError> {
    u32::try_from(number).map_err(|e| StorageError::bad_row("training_runs", e))
}

async fn start_again(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    crashes: u32,
    terms: &ClaimTerms,
) -> Result<(), StorageError> {
    let text = format!(
        "UPDATE training_runs SET status = 'running', attempts = $2, worker = $3, crashes = $4, \
         progress = NULL, not_before = NULL, lease_until = {} WHERE id = $1",
        from_now(terms.lease)
    );
    let values = [
        lease.run_id.into(),
        lease.attempt.cast_signed().into(),
        terms.worker.clone().into(),
        crashes.cast_signed().into(),
    ];
    transaction.execute_raw(sql(&text, values)).await?;
    // The trials of an attempt that came to nothing: this one makes them anew, and may make fewer.
    let statement = sql("DELETE FROM trials WHERE run_id = $1", [lease.run_id.into()]);
    transaction.execute_raw(statement).await?;
    Ok(())
}
