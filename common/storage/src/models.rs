//! Reading the model registry.

use domain::{
    DatasetVersion, ModelKind, ModelVersion, PromotionNumber, Sha256,
    model::{ArtifactRef, Champion, Lineage, Model, Promotion},
};
use sea_orm::{
    ConnectionTrait as _, EntityTrait as _, FromQueryResult, JsonValue, QueryOrder as _,
    prelude::ChronoDateTimeUtc,
};
use uuid::Uuid;

use crate::{Database, Page, PageRequest, StorageError, database::sql, entity::promotion};

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

/// What it takes to serve the champion, without its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChampionRef {
    /// Place of its promotion in the sequence.
    pub promotion: PromotionNumber,
    /// The model.
    pub version: ModelVersion,
    /// Its kind.
    pub kind: ModelKind,
    /// What it was trained on.
    pub dataset_version: DatasetVersion,
    /// Digest of its artifact.
    pub artifact: Sha256,
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
            Some(row) => self
                .with_lineage(Row::from_query_result(&row, "")?)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Model versions, newest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn models(&self, page: &PageRequest) -> Result<Page<Model>, StorageError> {
        let below = page
            .cursor
            .as_deref()
            .and_then(|cursor| cursor.parse::<i64>().ok());
        let text = format!("{SELECT} WHERE m.version < $1 ORDER BY m.version DESC LIMIT $2");
        let values = [
            below.unwrap_or(i64::MAX).into(),
            (page.limit + 1).cast_signed().into(),
        ];
        let rows = self.connection.query_all_raw(sql(&text, values)).await?;
        let rows = rows
            .iter()
            .map(|row| Row::from_query_result(row, ""))
            .collect::<Result<Vec<_>, _>>()?;
        let page = Page::of(rows, page.limit, |row| row.version.to_string(), Ok)?;
        let mut items = Vec::with_capacity(page.items.len());
        for row in page.items {
            items.push(self.with_lineage(row).await?);
        }
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    }

    /// The champion, with all that is known of it.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn champion(&self) -> Result<Option<Champion>, StorageError> {
        let newest = promotion::Entity::find().order_by_desc(promotion::Column::Number);
        let Some(promotion) = newest.one(&self.connection).await? else {
            return Ok(None);
        };
        let promotion = promotion_of(promotion)?;
        let missing = || StorageError::bad_row("promotions", "its model does not exist");
        let model = self.model(promotion.model_version).await?.ok_or_else(missing)?;
        Ok(Some(Champion {
            model,
            promotion: promotion.promotion,
            promoted_at: promotion.promoted_at,
            promoted_by: promotion.promoted_by,
            reason: promotion.reason,
        }))
    }

    /// What it takes to serve the champion.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn champion_ref(&self) -> Result<Option<ChampionRef>, StorageError> {
        let statement = sql(
            "SELECT p.number, m.version, r.kind, r.dataset_version, m.artifact_sha256 FROM promotions p \
             JOIN models m ON m.version = p.model_version JOIN training_runs r ON r.id = m.run_id \
             ORDER BY p.number DESC LIMIT 1",
            [],
        );
        let Some(row) = self.connection.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let bad = |reason: &dyn ToString| StorageError::bad_row("models", reason.to_string());
        let digest: Vec<u8> = row.try_get("", "artifact_sha256")?;
        let kind: String = row.try_get("", "kind")?;
        let number = |column| row.try_get::<i64>("", column);
        Ok(Some(ChampionRef {
            promotion: number("number")?.try_into().map_err(|e| bad(&e))?,
            version: number("version")?.try_into().map_err(|e| bad(&e))?,
            kind: kind.parse().map_err(|e| bad(&e))?,
            dataset_version: number("dataset_version")?.try_into().map_err(|e| bad(&e))?,
            artifact: digest.as_slice().try_into().map_err(|e| bad(&e))?,
        }))
    }

    /// Promotions, newest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn promotions(&self, page: &PageRequest) -> Result<Page<Promotion>, StorageError> {
        let below = page
            .cursor
            .as_deref()
            .and_then(|cursor| cursor.parse::<i64>().ok());
        let statement = sql(
            "SELECT * FROM promotions WHERE number < $1 ORDER BY number DESC LIMIT $2",
            [
                below.unwrap_or(i64::MAX).into(),
                (page.limit + 1).cast_signed().into(),
            ],
        );
        let rows = promotion::Entity::find()
            .from_raw_sql(statement)
            .all(&self.connection)
            .await?;
        Page::of(rows, page.limit, |row| row.number.to_string(), promotion_of)
    }

    async fn with_lineage(&self, row: Row) -> Result<Model, StorageError> {
        let bad = |reason: &dyn ToString| StorageError::bad_row("models", reason.to_string());
        let dataset_version = DatasetVersion::try_from(row.dataset_version).map_err(|e| bad(&e))?;
        Ok(Model {
            version: ModelVersion::try_from(row.version).map_err(|e| bad(&e))?,
            kind: row.kind.parse().map_err(|e| bad(&e))?,
            dataset_version,
            run_id: row.run_id,
            created_at: row.created_at,
            parameters: row.parameters,
            metrics: serde_json::from_value(row.metrics).map_err(|e| bad(&e))?,
            artifact: ArtifactRef {
                sha256: Sha256::try_from(row.artifact_sha256.as_slice()).map_err(|e| bad(&e))?,
                bytes: u64::try_from(row.artifact_bytes).map_err(|e| bad(&e))?,
            },
            lineage: Lineage {
                files: self.dataset_files(dataset_version).await?,
                seed: u64::try_from(row.seed).map_err(|e| bad(&e))?,
                code_version: row.code_version,
            },
            verdict: serde_json::from_value(row.verdict).map_err(|e| bad(&e))?,
        })
    }
}

fn promotion_of(row: promotion::Model) -> Result<Promotion, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("promotions", reason.to_string());
    Ok(Promotion {
        promotion: PromotionNumber::try_from(row.number).map_err(|e| bad(&e))?,
        model_version: ModelVersion::try_from(row.model_version).map_err(|e| bad(&e))?,
        promoted_at: row.promoted_at,
        promoted_by: row.promoted_by,
        reason: row.reason,
    })
}
