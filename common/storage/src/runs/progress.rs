//! What a run tells while it runs: its progress and its trials.

use domain::{
    event::{Event, EventData, RunProgressed},
    run::{Progress, Trial},
};
use sea_orm::{ConnectionTrait as _, FromQueryResult, JsonValue};
use serde_json::json;
use uuid::Uuid;

use super::claim::Lease;
use crate::{Database, StorageError, clock::now, connection::DatabaseTransaction, database::sql, outbox};

#[derive(Debug, FromQueryResult)]
struct Row {
    number: i32,
    parameters: JsonValue,
    mae: f64,
    rounds: i32,
    pruned: bool,
    duration_ms: f64,
}

impl Database {
    /// Notes how far a run is, with the trials that ended since the last note; false when it is ours no more.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn note_progress(
        &self,
        lease: &Lease,
        progress: Progress,
        trials: &[Trial],
    ) -> Result<bool, StorageError> {
        let transaction = self.connection.begin().await?;
        let statement = sql(
            "UPDATE training_runs SET progress = $3 WHERE id = $1 AND attempts = $2 AND status = 'running'",
            [
                lease.run_id.into(),
                lease.attempt.cast_signed().into(),
                json!(progress).into(),
            ],
        );
        if transaction.execute_raw(statement).await?.rows_affected() == 0 {
            return Ok(false);
        }
        insert_trials(&transaction, lease, trials).await?;
        let at = now(&transaction).await?;
        let news = RunProgressed {
            run_id: lease.run_id,
            kind: lease.kind,
            dataset_version: lease.dataset_version,
            attempt: lease.attempt,
            progress,
        };
        let event = Event {
            id: Uuid::now_v7(),
            time: at,
            data: EventData::RunProgressed(news),
        };
        outbox::append(&transaction, &[event], at).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The trials of a run, in order.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn trials(&self, run_id: Uuid) -> Result<Vec<Trial>, StorageError> {
        let statement = sql(
            "SELECT * FROM trials WHERE run_id = $1 ORDER BY number",
            [run_id.into()],
        );
        let rows = self.connection.query_all_raw(statement).await?;
        rows.iter()
            .map(|row| to_domain(Row::from_query_result(row, "")?))
            .collect()
    }
}

/// Adds the trials that are not there yet.
pub(super) async fn insert_trials(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    trials: &[Trial],
) -> Result<(), StorageError> {
    let statement = sql(
        "INSERT INTO trials (run_id, number, parameters, mae, rounds, pruned, duration_ms) \
         SELECT $1, t.* FROM jsonb_to_recordset($2) AS t (number integer, parameters jsonb, \
         mae double precision, rounds integer, pruned boolean, duration_ms double precision) \
         ON CONFLICT DO NOTHING",
        [lease.run_id.into(), json!(trials).into()],
    );
    transaction.execute_raw(statement).await?;
    Ok(())
}

fn to_domain(row: Row) -> Result<Trial, StorageError> {
    let bad = |reason| StorageError::bad_row("trials", reason);
    Ok(Trial {
        number: u32::try_from(row.number).map_err(bad)?,
        parameters: row.parameters,
        mae: row.mae,
        rounds: u32::try_from(row.rounds).map_err(bad)?,
        pruned: row.pruned,
        duration_ms: row.duration_ms,
    })
}
