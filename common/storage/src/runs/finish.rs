//! Ending training runs: result, promotion and events commit together, and only while the attempt
//! is still ours (fencing) and the champion is still the one the gate judged against.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{
    ModelVersion,
    event::{Event, EventData, ModelReady, RunNews},
    metrics::Metrics,
    model::{Action, ArtifactRef},
    run::Trial,
    verdict::Verdict,
};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{claim::Lease, progress::insert_trials};
use crate::{
    Database, StorageError,
    clock::{from_now, now},
    connection::DatabaseTransaction,
    database::sql,
    entity::model,
    outbox,
    promoting::{Decided, insert_promotion, lock_reign},
    promotions::Reign,
};

/// What a successful attempt made.
#[derive(Debug)]
pub struct Trained<'a> {
    /// Where the artifact is; it is in the store already.
    pub artifact: ArtifactRef,
    /// The learner's parameters.
    pub parameters: &'a Value,
    /// How well the model does.
    pub metrics: &'a Metrics,
    /// The trainer's version.
    pub code_version: &'a str,
    /// Every trial, among them those that could not be noted while Postgres was away.
    pub trials: &'a [Trial],
    /// What the attempt told.
    pub log: &'a [String],
    /// Who reigned when the gate judged.
    pub judged_against: Reign,
}

/// How the end of an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It is committed, under this version.
    Committed(ModelVersion),
    /// The run is another's by now: nothing was changed.
    LeaseLost,
    /// There is another champion by now, or it was frozen or thawed: nothing was changed; judge again.
    ChampionMoved,
}

impl Database {
    /// Commits a model, its verdict and, where the gate says so, its promotion.
    ///
    /// The verdict is asked for once the model's version is known.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit; then nothing happened, or all of it.
    pub async fn finish_run(
        &self,
        lease: &Lease,
        trained: &Trained<'_>,
        verdict: impl FnOnce(ModelVersion) -> Verdict,
    ) -> Result<Finish, StorageError> {
        let transaction = self.connection.begin().await?;
        if !end_run(&transaction, lease, trained).await? {
            return Ok(Finish::LeaseLost);
        }
        insert_trials(&transaction, lease, trained.trials).await?;
        let reign = lock_reign(&transaction).await?;
        if reign != trained.judged_against {
            return Ok(Finish::ChampionMoved);
        }
        let at = now(&transaction).await?;
        let version = next_model_version(&transaction).await?;
        let verdict = verdict(version);
        insert_model(&transaction, lease, trained, version, &verdict, at).await?;
        let mut happened = vec![EventData::RunFinished(news(lease, Some(version), None))];
        if verdict.promoted {
            let decided = Decided {
                by: "gate",
                reason: &verdict.reason,
            };
            let promotion = insert_promotion(&transaction, reign, version, Action::Gate, decided, at).await?;
            happened.push(EventData::ModelReady(ModelReady {
                promotion,
                model_version: version,
                kind: lease.kind,
                dataset_version: lease.dataset_version,
            }));
        }
        outbox::append(&transaction, &events(happened, at), at).await?;
        transaction.commit().await?;
        Ok(Finish::Committed(version))
    }

    /// Ends a run that cannot succeed; false when it is ours no more.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn fail_run(&self, lease: &Lease, error: &str, log: &[String]) -> Result<bool, StorageError> {
        let transaction = self.connection.begin().await?;
        let at = now(&transaction).await?;
        let ours = record_failure(&transaction, lease, error, log, at).await?;
        transaction.commit().await?;
        Ok(ours)
    }

    /// Gives a run back unharmed, for another trainer to take; false when it is ours no more.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn put_back_run(&self, lease: &Lease, log: &[String]) -> Result<bool, StorageError> {
        let [id, attempt] = key(lease);
        let statement = sql(
            "UPDATE training_runs SET status = 'queued', lease_until = NULL, log = log || $3 \
             WHERE id = $1 AND attempts = $2 AND status = 'running'",
            [id, attempt, lines(log).into()],
        );
        Ok(self.connection.execute_raw(statement).await?.rows_affected() == 1)
    }

    /// Gives a run back to be tried again, by anybody but not before `retry_after` has passed; a failure is counted.
    /// False when it is ours no more.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn requeue_run(
        &self,
        lease: &Lease,
        error: &str,
        log: &[String],
        retry_after: Duration,
    ) -> Result<bool, StorageError> {
        let [id, attempt] = key(lease);
        let update = format!(
            "UPDATE training_runs SET status = 'queued', lease_until = NULL, failures = failures + 1, error = $3, \
             log = log || $4, not_before = {} WHERE id = $1 AND attempts = $2 AND status = 'running'",
            from_now(retry_after)
        );
        let statement = sql(&update, [id, attempt, text(error).into(), lines(log).into()]);
        Ok(self.connection.execute_raw(statement).await?.rows_affected() == 1)
    }

    /// The model that this very attempt committed, with its verdict: where the answer of a COMMIT was lost, this tells
    /// whether it was done. None when the attempt made no model, or the run went on to another attempt.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn model_of_attempt(
        &self,
        lease: &Lease,
    ) -> Result<Option<(ModelVersion, Verdict)>, StorageError> {
        let transaction = self.connection.begin().await?;
        // A transaction that is still committing holds the row.
        let [id, attempt] = key(lease);
        let locked = sql(
            "SELECT status FROM training_runs WHERE id = $1 AND attempts = $2 FOR SHARE",
            [id.clone(), attempt],
        );
        if transaction.query_one_raw(locked).await?.is_none() {
            return Ok(None);
        }
        let model = sql("SELECT version, verdict FROM models WHERE run_id = $1", [id]);
        let row = transaction.query_one_raw(model).await?;
        let bad = |reason: &dyn ToString| StorageError::bad_row("models", reason.to_string());
        row.map(|row| {
            let (version, verdict): (i64, Value) = (row.try_get("", "version")?, row.try_get("", "verdict")?);
            let version = ModelVersion::try_from(version).map_err(|e| bad(&e))?;
            Ok((version, serde_json::from_value(verdict).map_err(|e| bad(&e))?))
        })
        .transpose()
    }

    /// Whether no later attempt at the run has begun: what ended it then was this attempt.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn is_last_attempt(&self, lease: &Lease) -> Result<bool, StorageError> {
        let [id, attempt] = key(lease);
        let statement = sql(
            "SELECT id FROM training_runs WHERE id = $1 AND attempts = $2",
            [id, attempt],
        );
        Ok(self.connection.query_one_raw(statement).await?.is_some())
    }
}

/// Ends a run as failed, with its event, if it is still `lease`'s.
pub(crate) async fn record_failure(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    error: &str,
    log: &[String],
    at: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let [id, attempt] = key(lease);
    let statement = sql(
        "UPDATE training_runs SET status = 'failed', lease_until = NULL, failures = failures + 1, error = $3, \
         log = log || $4, finished_at = $5 WHERE id = $1 AND attempts = $2 AND status IN ('running', 'queued')",
        [id, attempt, text(error).into(), lines(log).into(), at.into()],
    );
    if transaction.execute_raw(statement).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let failed = EventData::RunFailed(news(lease, None, Some(error.to_owned())));
    outbox::append(transaction, &events(vec![failed], at), at).await?;
    Ok(true)
}

/// The fence: ends the run as succeeded, if this attempt is still the run's.
async fn end_run(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    trained: &Trained<'_>,
) -> Result<bool, StorageError> {
    let [id, attempt] = key(lease);
    let statement = sql(
        "UPDATE training_runs SET status = 'succeeded', lease_until = NULL, error = NULL, parameters = $3, \
         metrics = $4, log = log || $5, finished_at = clock_timestamp() WHERE id = $1 AND attempts = $2 AND status = 'running'",
        [
            id,
            attempt,
            trained.parameters.clone().into(),
            json!(trained.metrics).into(),
            lines(trained.log).into(),
        ],
    );
    Ok(transaction.execute_raw(statement).await?.rows_affected() == 1)
}

async fn next_model_version(transaction: &DatabaseTransaction) -> Result<ModelVersion, StorageError> {
    let newest = sql("SELECT max(version) AS version FROM models", []);
    let row = transaction.query_one_raw(newest).await?;
    let newest: Option<i64> = row.map(|row| row.try_get("", "version")).transpose()?.flatten();
    let newest = newest.map(ModelVersion::try_from).transpose();
    let newest = newest.map_err(|e| StorageError::bad_row("models", e))?;
    Ok(newest.map_or(ModelVersion::FIRST, ModelVersion::next))
}

async fn insert_model(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    trained: &Trained<'_>,
    version: ModelVersion,
    verdict: &Verdict,
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let row = model::ActiveModel {
        version: Set(version.into()),
        run_id: Set(lease.run_id),
        artifact_sha256: Set(trained.artifact.sha256.as_bytes().to_vec()),
        artifact_bytes: Set(trained.artifact.bytes.cast_signed()),
        parameters: Set(trained.parameters.clone()),
        metrics: Set(json!(trained.metrics)),
        verdict: Set(json!(verdict)),
        code_version: Set(trained.code_version.to_owned()),
        created_at: Set(at),
    };
    row.insert(transaction).await?;
    Ok(())
}

fn news(lease: &Lease, model_version: Option<ModelVersion>, error: Option<String>) -> RunNews {
    RunNews {
        run_id: lease.run_id,
        kind: lease.kind,
        dataset_version: lease.dataset_version,
        attempt: lease.attempt,
        model_version,
        error,
    }
}

fn events(happened: Vec<EventData>, at: DateTime<Utc>) -> Vec<Event> {
    happened
        .into_iter()
        .map(|data| Event {
            id: Uuid::now_v7(),
            time: at,
            data,
        })
        .collect()
}

fn key(lease: &Lease) -> [sea_orm::Value; 2] {
    [lease.run_id.into(), lease.attempt.cast_signed().into()]
}

/// `text` has no U+0000.
fn text(from: &str) -> String {
    from.replace('\0', "\u{fffd}")
}

fn lines(from: &[String]) -> Vec<String> {
    from.iter().map(|line| text(line)).collect()
}
