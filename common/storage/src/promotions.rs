//! Champions: the one sequence of promotions, by the gate and by hand, and whether the champion is frozen.

use chrono::{DateTime, Utc};
use domain::{
    DatasetVersion, ModelKind, ModelVersion, PromotionNumber, Sha256,
    model::{Champion, Promotion, champion_before},
};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QueryResult, prelude::*,
};

use crate::{
    Database, During, Page, PageRequest, StorageError,
    database::sql,
    entity::{freeze, promotion},
    listing::Listing,
};

/// What it takes to serve a model, without its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelRef {
    /// The model.
    pub version: ModelVersion,
    /// Its kind.
    pub kind: ModelKind,
    /// What it was trained on.
    pub dataset_version: DatasetVersion,
    /// Digest of its artifact.
    pub artifact: Sha256,
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

/// Who reigns, and whether the gate may change that: a decision about the champion holds only while this is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reign {
    /// The newest promotion; none before the first.
    pub promotion: Option<PromotionNumber>,
    /// Whether the champion is frozen.
    pub frozen: bool,
}

/// Which promotions are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct PromotionFilter {
    /// Of this model.
    pub model_version: Option<ModelVersion>,
    /// Committed then.
    pub during: During,
}

const MODEL: &str = "m.version, r.kind, r.dataset_version, m.artifact_sha256 \
    FROM models m JOIN training_runs r ON r.id = m.run_id";

impl Database {
    /// The champion, with all that is known of it.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn champion(&self) -> Result<Option<Champion>, StorageError> {
        self.champion_at(DateTime::<Utc>::MAX_UTC).await
    }

    /// Who was champion at a moment.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn champion_at(&self, moment: DateTime<Utc>) -> Result<Option<Champion>, StorageError> {
        // Postgres has no times beyond the year 294276.
        let moment = moment.min(latest());
        let newest = promotion::Entity::find()
            .filter(promotion::Column::PromotedAt.lte(moment))
            .order_by_desc(promotion::Column::Number);
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
            frozen: frozen_at(&self.connection, moment).await?,
        }))
    }

    /// What it takes to serve the champion.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn champion_ref(&self) -> Result<Option<ChampionRef>, StorageError> {
        let text = format!(
            "SELECT p.number, {MODEL} JOIN promotions p ON m.version = p.model_version \
             ORDER BY p.number DESC LIMIT 1"
        );
        let Some(row) = self.connection.query_one_raw(sql(&text, [])).await? else {
            return Ok(None);
        };
        let model = model_ref(&row)?;
        let number: i64 = row.try_get("", "number")?;
        let bad = |reason| StorageError::bad_row("promotions", reason);
        Ok(Some(ChampionRef {
            promotion: number.try_into().map_err(bad)?,
            version: model.version,
            kind: model.kind,
            dataset_version: model.dataset_version,
            artifact: model.artifact,
        }))
    }

    /// What it takes to serve a model.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn model_ref(&self, version: ModelVersion) -> Result<Option<ModelRef>, StorageError> {
        let statement = sql(
            &format!("SELECT {MODEL} WHERE m.version = $1"),
            [i64::from(version).into()],
        );
        let row = self.connection.query_one_raw(statement).await?;
        row.as_ref().map(model_ref).transpose()
    }

    /// Promotions, newest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn promotions(
        &self,
        filter: PromotionFilter,
        page: &PageRequest,
    ) -> Result<Page<Promotion>, StorageError> {
        let listing = Listing::of("SELECT * FROM promotions")
            .when("number < ?", page.number())
            .when("model_version = ?", filter.model_version.map(i64::from))
            .during("promoted_at", filter.during);
        let rows = promotion::Entity::find()
            .from_raw_sql(listing.ordered("number DESC", page))
            .all(&self.connection)
            .await?;
        Page::of(rows, page.limit, |row| row.number.to_string(), promotion_of)
    }

    /// Who reigns now.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn reign(&self) -> Result<Reign, StorageError> {
        reign(&self.connection).await
    }

    /// The model that a rollback would go back to, and the reign of which that is said; none where there is no
    /// champion before this one.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn rollback_target(&self) -> Result<Option<(ModelRef, Reign)>, StorageError> {
        let reign = self.reign().await?;
        let promotions = promotion::Entity::find()
            .filter(promotion::Column::Number.lte(reign.promotion.map_or(0, i64::from)))
            .order_by_asc(promotion::Column::Number)
            .all(&self.connection)
            .await?;
        let promotions: Vec<Promotion> = promotions
            .into_iter()
            .map(promotion_of)
            .collect::<Result<_, _>>()?;
        let history = promotions
            .iter()
            .map(|promotion| (promotion.model_version, promotion.action));
        let Some(version) = champion_before(history) else {
            return Ok(None);
        };
        Ok(self.model_ref(version).await?.map(|model| (model, reign)))
    }
}

/// The last moment that both Postgres and this program can name.
fn latest() -> DateTime<Utc> {
    DateTime::from_timestamp(9_000_000_000_000, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Who reigns, as this connection sees it.
pub(crate) async fn reign(connection: &impl ConnectionTrait) -> Result<Reign, StorageError> {
    let statement = sql("SELECT max(number) AS number FROM promotions", []);
    let row = connection.query_one_raw(statement).await?;
    let number: Option<i64> = row.map(|row| row.try_get("", "number")).transpose()?.flatten();
    let promotion = number.map(PromotionNumber::try_from).transpose();
    Ok(Reign {
        promotion: promotion.map_err(|e| StorageError::bad_row("promotions", e))?,
        frozen: frozen_at(connection, latest()).await?,
    })
}

async fn frozen_at(connection: &impl ConnectionTrait, moment: DateTime<Utc>) -> Result<bool, DbErr> {
    let newest = freeze::Entity::find()
        .filter(freeze::Column::DecidedAt.lte(moment))
        .order_by_desc(freeze::Column::Number);
    Ok(newest.one(connection).await?.is_some_and(|freeze| freeze.frozen))
}

fn model_ref(row: &QueryResult) -> Result<ModelRef, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("models", reason.to_string());
    let digest: Vec<u8> = row.try_get("", "artifact_sha256")?;
    let kind: String = row.try_get("", "kind")?;
    let number = |column| row.try_get::<i64>("", column);
    Ok(ModelRef {
        version: number("version")?.try_into().map_err(|e| bad(&e))?,
        kind: kind.parse().map_err(|e| bad(&e))?,
        dataset_version: number("dataset_version")?.try_into().map_err(|e| bad(&e))?,
        artifact: digest.as_slice().try_into().map_err(|e| bad(&e))?,
    })
}

fn promotion_of(row: promotion::Model) -> Result<Promotion, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("promotions", reason.to_string());
    Ok(Promotion {
        promotion: PromotionNumber::try_from(row.number).map_err(|e| bad(&e))?,
        model_version: ModelVersion::try_from(row.model_version).map_err(|e| bad(&e))?,
        promoted_at: row.promoted_at,
        promoted_by: row.promoted_by,
        reason: row.reason,
        action: row.action.parse().map_err(|e| bad(&e))?,
    })
}
