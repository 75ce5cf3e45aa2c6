//! Reading the model registry.

use domain::{
    DatasetVersion, ModelKind, ModelVersion, Sha256,
    model::{ArtifactRef, Lineage, Model},
};
use sea_orm::{ConnectionTrait as _, FromQueryResult, JsonValue, prelude::ChronoDateTimeUtc};
use uuid::Uuid;

use crate::{Database, During, Page, PageRequest, StorageError, database::sql, listing::Listing};

const SELECT: &str = "SELECT m.version, r.kind, r.dataset_version, m.run_id, m.created_at, m.parameters, \
    m.metrics, m.verdict, m.artifact_sha256, m.artifact_bytes, m.code_version, r.seed \
    FROM models m JOIN training_runs r ON r.id = m.run_id";

#[derive(Debug, FromQueryResult)]
struct Row {
    version: i64,
    kind: String,
    dataset_version: i64,
    run_id: Uuid,
    created_at: ChronoDateTimeUtc,
    parameters: JsonValue,
    metrics: JsonValue,
    verdict: JsonValue,
    artifact_sha256: Vec<u8>,
    artifact_bytes: i64,
    code_version: String,
    seed: i64,
}

/// Which models are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelFilter {
    /// Of this kind.
    pub kind: Option<ModelKind>,
    /// Trained on this dataset version.
    pub dataset_version: Option<DatasetVersion>,
    /// Committed then.
    pub during: During,
}

impl Database {
    /// One model version.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn model(&self, version: ModelVersion) -> Result<Option<Model>, StorageError> {
        let statement = sql(
            &format!("{SELECT} WHERE m.version = $1"),
            [i64::from(version).into()],
        );
        match self.connection.query_one_raw(statement).await? {
            Some(row) => {
                let mut model = to_domain(Row::from_query_result(&row, "")?)?;
                let files = self.dataset_files(model.dataset_version).await?;
                model.lineage.files = Some(files);
                Ok(Some(model))
            }
            None => Ok(None),
        }
    }

    /// Model versions, newest first, without the files of their lineage.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn models(&self, filter: ModelFilter, page: &PageRequest) -> Result<Page<Model>, StorageError> {
        let listing = Listing::of(SELECT)
            .when("m.version < ?", page.number())
            .when("r.kind = ?", filter.kind.map(ModelKind::name))
            .when("r.dataset_version = ?", filter.dataset_version.map(i64::from))
            .during("m.created_at", filter.during);
        let rows = self
            .connection
            .query_all_raw(listing.ordered("m.version DESC", page))
            .await?;
        let rows = rows
            .iter()
            .map(|row| Row::from_query_result(row, ""))
            .collect::<Result<Vec<_>, _>>()?;
        Page::of(rows, page.limit, |row| row.version.to_string(), to_domain)
    }
}

/// A model without the files of its lineage.
fn to_domain(row: Row) -> Result<Model, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("models", reason.to_string());
    Ok(Model {
        version: ModelVersion::try_from(row.version).map_err(|e| bad(&e))?,
        kind: row.kind.parse().map_err(|e| bad(&e))?,
        dataset_version: DatasetVersion::try_from(row.dataset_version).map_err(|e| bad(&e))?,
        run_id: row.run_id,
        created_at: row.created_at,
        parameters: row.parameters,
        metrics: serde_json::from_value(row.metrics).map_err(|e| bad(&e))?,
        artifact: ArtifactRef {
            sha256: Sha256::try_from(row.artifact_sha256.as_slice()).map_err(|e| bad(&e))?,
            bytes: u64::try_from(row.artifact_bytes).map_err(|e| bad(&e))?,
        },
        lineage: Lineage {
            files: None,
            seed: u64::try_from(row.seed).map_err(|e| bad(&e))?,
            code_version: row.code_version,
        },
        verdict: serde_json::from_value(row.verdict).map_err(|e| bad(&e))?,
    })
}
