//! Runs whose trainer fell silent, of kinds that no trainer at work here would claim.
//!
//! A trainer claims abandoned runs of the kinds that it trains. Those of other kinds would stay `running` for ever if
//! nobody trains them: `trainer run` can train a kind that no service does.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{DatasetVersion, ModelKind};
use sea_orm::{ConnectionTrait as _, FromQueryResult};
use uuid::Uuid;

use super::{
    claim::{Lease, MAX_CRASHES},
    finish::record_failure,
};
use crate::{Database, StorageError, clock::now, connection::DatabaseTransaction, database::sql};

/// A run that was taken from a silent trainer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedRun {
    /// The run.
    pub run_id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Whether it has failed; else it waits for a trainer of its kind.
    pub failed: bool,
    /// What its row says of it now.
    pub reason: String,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    kind: String,
    dataset_version: i64,
    automatic: bool,
    attempts: i32,
    crashes: i32,
}

impl Database {
    /// Ends or puts back the runs whose lease has been over for `grace`, but for those of the kinds `served`, which the
    /// caller claims itself. Runs that somebody asked for fail; automatic ones wait for a trainer of their kind.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn release_abandoned_runs(
        &self,
        served: &[ModelKind],
        grace: Duration,
    ) -> Result<Vec<ReleasedRun>, StorageError> {
        let transaction = self.connection.begin().await?;
        let at = now(&transaction).await?;
        let mut released = Vec::new();
        for row in abandoned(&transaction, served, grace).await? {
            released.push(release(&transaction, row, at).await?);
        }
        transaction.commit().await?;
        Ok(released)
    }
}

/// A kind with a run under way has a trainer, which is busy and will come to its other runs.
async fn abandoned(
    transaction: &DatabaseTransaction,
    served: &[ModelKind],
    grace: Duration,
) -> Result<Vec<Row>, StorageError> {
    let others = ModelKind::ALL.iter().filter(|kind| !served.contains(kind));
    let others: Vec<String> = others.map(|kind| kind.name().to_owned()).collect();
    let statement = sql(
        "SELECT id, kind, dataset_version, automatic, attempts, crashes FROM training_runs abandoned \
         WHERE status = 'running' AND kind = ANY($1) \
         AND lease_until < clock_timestamp() - $2 * interval '1 second' \
         AND NOT EXISTS (SELECT 1 FROM training_runs live WHERE live.kind = abandoned.kind \
             AND live.status = 'running' AND live.lease_until >= clock_timestamp()) \
         FOR UPDATE SKIP LOCKED",
        [others.into(), grace.as_secs_f64().into()],
    );
    let rows = transaction.query_all_raw(statement).await?;
    Ok(rows
        .iter()
        .map(|row| Row::from_query_result(row, ""))
        .collect::<Result<_, _>>()?)
}

async fn release(
    transaction: &DatabaseTransaction,
    row: Row,
    at: DateTime<Utc>,
) -> Result<ReleasedRun, StorageError> {
    let crashes = u32::try_from(row.crashes).unwrap_or_default() + 1;
    let failed = !row.automatic || crashes > MAX_CRASHES;
    let reason = if failed {
        format!(
            "its trainer fell silent, and no running trainer trains {kind}: train it again with \
             `trainer run --kind {kind}`, or add {kind} to training.kinds",
            kind = row.kind
        )
    } else {
        format!(
            "its trainer fell silent; put back until a trainer of {} runs",
            row.kind
        )
    };
    if failed {
        let lease = lease_of(&row)?;
        record_failure(transaction, &lease, &reason, &[], at).await?;
    } else {
        put_back(transaction, &row, &reason).await?;
    }
    Ok(ReleasedRun {
        run_id: row.id,
        kind: row.kind,
        failed,
        reason,
    })
}

async fn put_back(transaction: &DatabaseTransaction, row: &Row, reason: &str) -> Result<(), StorageError> {
    let statement = sql(
        "UPDATE training_runs SET status = 'queued', lease_until = NULL, crashes = crashes + 1, \
         log = log || $2::text WHERE id = $1",
        [row.id.into(), reason.into()],
    );
    transaction.execute_raw(statement).await?;
    Ok(())
}

/// The attempt that fell silent, for its event.
fn lease_of(row: &Row) -> Result<Lease, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("training_runs", reason.to_string());
    Ok(Lease {
        run_id: row.id,
        kind: row.kind.parse().map_err(|e| bad(&e))?,
        dataset_version: DatasetVersion::try_from(row.dataset_version).map_err(|e| bad(&e))?,
        attempt: u32::try_from(row.attempts).map_err(|e| bad(&e))?,
        failures: 0,
        settings: serde_json::Value::Null,
        seed: 0,
    })
}
