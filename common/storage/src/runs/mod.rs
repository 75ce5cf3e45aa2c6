//! Training runs: reading them here, making, claiming, noting and ending them below.

pub mod abandoned;
pub mod claim;
pub mod finish;
pub mod open;
mod progress;

use domain::{
    DatasetVersion, ModelKind, ModelVersion,
    run::{RunStatus, TrainingRun},
};
use sea_orm::{ConnectionTrait as _, FromQueryResult, JsonValue, prelude::ChronoDateTimeUtc};
use uuid::Uuid;

use crate::{
    Database, During, Page, PageRequest, StorageError, database::sql, listing::Listing, page::place,
};

const SELECT: &str = "SELECT r.id, r.kind, r.dataset_version, r.automatic, r.seed, r.status, r.attempts, \
    r.failures, r.crashes, r.settings, r.parameters, r.progress, r.metrics, r.error, r.log, r.started_at, r.finished_at, m.version AS model_version \
    FROM training_runs r LEFT JOIN models m ON m.run_id = r.id";

#[derive(Debug, FromQueryResult)]
struct Row {
    id: Uuid,
    kind: String,
    dataset_version: i64,
    automatic: bool,
    seed: i64,
    status: String,
    attempts: i32,
    failures: i32,
    crashes: i32,
    settings: JsonValue,
    parameters: Option<JsonValue>,
    progress: Option<JsonValue>,
    metrics: Option<JsonValue>,
    error: Option<String>,
    log: Vec<String>,
    started_at: ChronoDateTimeUtc,
    finished_at: Option<ChronoDateTimeUtc>,
    model_version: Option<i64>,
}

/// Which runs are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter {
    /// Of this status.
    pub status: Option<RunStatus>,
    /// Of this kind.
    pub kind: Option<ModelKind>,
    /// On this dataset version.
    pub dataset_version: Option<DatasetVersion>,
    /// Started then.
    pub during: During,
}

impl Database {
    /// One training run, with its trials.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn run(&self, id: Uuid) -> Result<Option<TrainingRun>, StorageError> {
        let statement = sql(&format!("{SELECT} WHERE r.id = $1"), [id.into()]);
        let row = self.connection.query_one_raw(statement).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let run = to_domain(Row::from_query_result(&row, "")?)?;
        let trials = self.trials(id).await?;
        Ok(Some(TrainingRun {
            trials: Some(trials),
            ..run
        }))
    }

    /// Training runs, the last started first, without their trials.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn runs(
        &self,
        filter: RunFilter,
        page: &PageRequest,
    ) -> Result<Page<TrainingRun>, StorageError> {
        let mut listing = Listing::of(SELECT)
            .when("r.status = ?", filter.status.map(RunStatus::name))
            .when("r.kind = ?", filter.kind.map(ModelKind::name))
            .when("r.dataset_version = ?", filter.dataset_version.map(i64::from))
            .during("r.started_at", filter.during);
        if let Some((at, id)) = page.place::<Uuid>() {
            let earlier = format!("(r.started_at, r.id) < (?, '{id}'::uuid)");
            listing = listing.when(&earlier, Some(at));
        }
        let statement = listing.ordered("r.started_at DESC, r.id DESC", page);
        let rows = self.connection.query_all_raw(statement).await?;
        let rows = rows
            .iter()
            .map(|row| Row::from_query_result(row, ""))
            .collect::<Result<Vec<_>, _>>()?;
        let cursor = |row: &Row| place(row.started_at, row.id);
        Page::of(rows, page.limit, cursor, to_domain)
    }
}

fn to_domain(row: Row) -> Result<TrainingRun, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("training_runs", reason.to_string());
    let count = |number: i32| u32::try_from(number).map_err(|e| bad(&e));
    Ok(TrainingRun {
        id: row.id,
        kind: row.kind.parse().map_err(|e| bad(&e))?,
        dataset_version: DatasetVersion::try_from(row.dataset_version).map_err(|e| bad(&e))?,
        status: row.status.parse().map_err(|e| bad(&e))?,
        seed: u64::try_from(row.seed).map_err(|e| bad(&e))?,
        automatic: row.automatic,
        attempts: count(row.attempts)?,
        failures: count(row.failures)?,
        crashes: count(row.crashes)?,
        settings: row.settings,
        parameters: row.parameters,
        progress: parsed(row.progress)?,
        trials: None,
        metrics: parsed(row.metrics)?,
        error: row.error,
        log: row.log,
        started_at: row.started_at,
        finished_at: row.finished_at,
        model_version: row
            .model_version
            .map(ModelVersion::try_from)
            .transpose()
            .map_err(|e| bad(&e))?,
    })
}

fn parsed<T: serde::de::DeserializeOwned>(json: Option<JsonValue>) -> Result<Option<T>, StorageError> {
    let parsed = json.map(serde_json::from_value).transpose();
    parsed.map_err(|e| StorageError::bad_row("training_runs", e))
}
