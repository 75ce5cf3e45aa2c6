//! Whether training still comes to something.

use domain::DatasetVersion;
use sea_orm::ConnectionTrait as _;

use crate::{Database, StorageError, database::sql};

/// How many dataset versions in a row, the newest trained on being the last, gave no challenger that could have become
/// champion: every run failed, or every model failed a check of the gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnusableVersions {
    /// How many.
    pub count: u64,
    /// What the last run of them came to; none where there are none.
    pub reason: Option<String>,
}

/// The newest dataset version with a model that passed every check, or 0. The newest model need not be of it: a late
/// run may have trained on an older dataset version.
const NEWEST_USABLE: &str = "SELECT coalesce(max(r.dataset_version), 0) FROM models m \
    JOIN training_runs r ON r.id = m.run_id WHERE NOT EXISTS (SELECT 1 FROM \
    jsonb_array_elements(m.verdict -> 'checks') c WHERE NOT (c ->> 'passed')::boolean)";

impl Database {
    /// How many samples a dataset version has.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer, or there is no such version.
    pub async fn dataset_rows(&self, version: DatasetVersion) -> Result<u64, StorageError> {
        let statement = sql(
            "SELECT rows FROM datasets WHERE version = $1",
            [i64::from(version).into()],
        );
        let row = self.connection.query_one_raw(statement).await?;
        let row = row.ok_or_else(|| StorageError::bad_row("datasets", "there is no such version"))?;
        let rows: i64 = row.try_get("", "rows")?;
        u64::try_from(rows).map_err(|e| StorageError::bad_row("datasets", e))
    }

    /// The newest dataset versions that gave no usable challenger. A version counts once a run on it has ended.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn unusable_versions(&self) -> Result<UnusableVersions, StorageError> {
        let text = format!(
            "SELECT count(DISTINCT r.dataset_version) AS versions, (array_agg(coalesce(r.error, m.verdict ->> 'reason') \
             ORDER BY r.finished_at DESC))[1] AS reason FROM training_runs r LEFT JOIN models m ON m.run_id = r.id \
             WHERE r.status IN ('succeeded', 'failed') AND r.dataset_version > ({NEWEST_USABLE})"
        );
        let Some(row) = self.connection.query_one_raw(sql(&text, [])).await? else {
            return Ok(UnusableVersions::default());
        };
        let count: i64 = row.try_get("", "versions")?;
        Ok(UnusableVersions {
            count: u64::try_from(count).map_err(|e| StorageError::bad_row("training_runs", e))?,
            reason: row.try_get("", "reason")?,
        })
    }
}
