//! Ending training runs: result, promotion and events commit together, and only while the attempt
//! is still ours (fencing) and the champion is still the one the gate judged against.

use chrono::{DateTime, Utc};
use domain::{
    ModelVersion, PromotionNumber,
    event::{Event, EventData, ModelReady, RunNews},
    metrics::Metrics,
    model::ArtifactRef,
    verdict::Verdict,
};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _, DatabaseTransaction, TransactionTrait as _,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Database, StorageError,
    database::sql,
    entity::{model, promotion},
    outbox,
    run_claim::Lease,
};

/// Advisory lock under which model versions and promotions are given out.
const MODELS_LOCK: i64 = 0x6c61_7069_0003;

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
    /// What the attempt told.
    pub log: &'a [String],
    /// The promotion that was the newest when the gate judged.
    pub judged_against: Option<PromotionNumber>,
}

/// How the end of an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It is committed, under this version.
    Committed(ModelVersion),
    /// The run is another's by now: nothing was changed.
    LeaseLost,
    /// There is another champion by now: nothing was changed; judge again.
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
        at: DateTime<Utc>,
    ) -> Result<Finish, StorageError> {
        let transaction = self.connection.begin().await?;
        if !end_run(&transaction, lease, trained, at).await? {
            return Ok(Finish::LeaseLost);
        }
        transaction
            .execute_raw(sql("SELECT pg_advisory_xact_lock($1)", [MODELS_LOCK.into()]))
            .await?;
        let champion = newest_promotion(&transaction).await?;
        if champion != trained.judged_against {
            return Ok(Finish::ChampionMoved);
        }
        let version = next_model_version(&transaction).await?;
        let verdict = verdict(version);
        insert_model(&transaction, lease, trained, version, &verdict, at).await?;
        let mut happened = vec![EventData::RunFinished(news(lease, Some(version), None))];
        if verdict.promoted {
            let promotion = champion.map_or(PromotionNumber::FIRST, PromotionNumber::next);
            insert_promotion(&transaction, promotion, version, &verdict.reason, at).await?;
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
    pub async fn fail_run(
        &self,
        lease: &Lease,
        error: &str,
        log: &[String],
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let transaction = self.connection.begin().await?;
        let ours = record_failure(&transaction, lease, error, log, at).await?;
        transaction.commit().await?;
        Ok(ours)
    }

    /// Gives a run back to be tried again; false when it is ours no more.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn requeue_run(
        &self,
        lease: &Lease,
        error: &str,
        log: &[String],
    ) -> Result<bool, StorageError> {
        let statement = sql(
            "UPDATE training_runs SET status = 'queued', lease_until = NULL, error = $3, log = log || $4 \
             WHERE id = $1 AND attempts = $2 AND status = 'running'",
            [
                key(lease)[0].clone(),
                key(lease)[1].clone(),
                text(error).into(),
                lines(log).into(),
            ],
        );
        Ok(self.connection.execute_raw(statement).await?.rows_affected() == 1)
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
        "UPDATE training_runs SET status = 'failed', lease_until = NULL, error = $3, log = log || $4, \
         finished_at = $5 WHERE id = $1 AND attempts = $2 AND status IN ('running', 'queued')",
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
    at: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let [id, attempt] = key(lease);
    let statement = sql(
        "UPDATE training_runs SET status = 'succeeded', lease_until = NULL, error = NULL, parameters = $3, \
         metrics = $4, log = log || $5, finished_at = $6 WHERE id = $1 AND attempts = $2 AND status = 'running'",
        [
            id,
            attempt,
            trained.parameters.clone().into(),
            json!(trained.metrics).into(),
            lines(trained.log).into(),
            at.into(),
        ],
    );
    Ok(transaction.execute_raw(statement).await?.rows_affected() == 1)
}

async fn newest_promotion(
    transaction: &DatabaseTransaction,
) -> Result<Option<PromotionNumber>, StorageError> {
    let number = max(transaction, "SELECT max(number) AS number FROM promotions").await?;
    number
        .map(PromotionNumber::try_from)
        .transpose()
        .map_err(|e| StorageError::bad_row("promotions", e))
}

async fn next_model_version(transaction: &DatabaseTransaction) -> Result<ModelVersion, StorageError> {
    let number = max(transaction, "SELECT max(version) AS number FROM models").await?;
    let newest = number.map(ModelVersion::try_from).transpose();
    let newest = newest.map_err(|e| StorageError::bad_row("models", e))?;
    Ok(newest.map_or(ModelVersion::FIRST, ModelVersion::next))
}

async fn max(transaction: &DatabaseTransaction, query: &str) -> Result<Option<i64>, StorageError> {
    let row = transaction.query_one_raw(sql(query, [])).await?;
    Ok(row.map(|row| row.try_get("", "number")).transpose()?.flatten())
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

async fn insert_promotion(
    transaction: &DatabaseTransaction,
    number: PromotionNumber,
    version: ModelVersion,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let row = promotion::ActiveModel {
        number: Set(number.into()),
        model_version: Set(version.into()),
        promoted_at: Set(at),
        promoted_by: Set("gate".to_owned()),
        reason: Set(reason.to_owned()),
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
