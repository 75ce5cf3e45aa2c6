//! Changing who reigns: by hand, by the gate, and freezing the champion. All of it under one lock, in one sequence.

use chrono::{DateTime, Utc};
use domain::{
    ModelVersion, PromotionNumber,
    event::{Event, EventData, ModelReady},
    model::Action,
};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _};
use uuid::Uuid;

use crate::{
    Database, StorageError,
    clock::now,
    connection::DatabaseTransaction,
    database::sql,
    entity::{freeze, promotion},
    outbox,
    promotions::{ModelRef, Reign, reign},
};

/// Advisory lock under which model versions, promotions and freezes are given out.
const MODELS_LOCK: i64 = 0x6c61_7069_0003;

/// Who decides, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// `gate`, or the name of an operator's key.
    pub by: &'a str,
    /// In the decider's words.
    pub reason: &'a str,
}

/// How a change by hand went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHand {
    /// It is committed, with this place in the sequence.
    Promoted(PromotionNumber),
    /// There is another champion by now, or it was frozen or thawed: nothing was changed; look again.
    Moved,
}

/// Takes the lock of everything that has to do with champions, until the transaction ends; tells who reigns then.
pub(crate) async fn lock_reign(transaction: &DatabaseTransaction) -> Result<Reign, StorageError> {
    transaction
        .execute_raw(sql("SELECT pg_advisory_xact_lock($1)", [MODELS_LOCK.into()]))
        .await?;
    reign(transaction).await
}

/// Adds the next promotion to the sequence, at a time taken under the lock; the event that tells of it is the caller's to append.
pub(crate) async fn insert_promotion(
    transaction: &DatabaseTransaction,
    reign: Reign,
    version: ModelVersion,
    action: Action,
    decided: Decided<'_>,
    at: DateTime<Utc>,
) -> Result<PromotionNumber, StorageError> {
    let number = reign
        .promotion
        .map_or(PromotionNumber::FIRST, PromotionNumber::next);
    let row = promotion::ActiveModel {
        number: Set(number.into()),
        model_version: Set(version.into()),
        promoted_at: Set(at),
        promoted_by: Set(decided.by.to_owned()),
        reason: Set(plain(decided.reason)),
        action: Set(action.name().to_owned()),
    };
    row.insert(transaction).await?;
    Ok(number)
}

impl Database {
    /// Makes `model` champion by hand, if `expected` still reigns. Whoever asks has loaded and checked its artifact.
    ///
    /// A rollback also freezes the champion, so that the next file does not undo it.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn promote_by_hand(
        &self,
        model: &ModelRef,
        action: Action,
        expected: Reign,
        decided: Decided<'_>,
    ) -> Result<ByHand, StorageError> {
        let transaction = self.connection.begin().await?;
        if lock_reign(&transaction).await? != expected {
            return Ok(ByHand::Moved);
        }
        let at = now(&transaction).await?;
        let number = insert_promotion(&transaction, expected, model.version, action, decided, at).await?;
        if action == Action::Rollback && !expected.frozen {
            insert_freeze(&transaction, true, decided, at).await?;
        }
        let ready = EventData::ModelReady(ModelReady {
            promotion: number,
            model_version: model.version,
            kind: model.kind,
            dataset_version: model.dataset_version,
        });
        let event = Event {
            id: Uuid::now_v7(),
            time: at,
            data: ready,
        };
        outbox::append(&transaction, &[event], at).await?;
        transaction.commit().await?;
        Ok(ByHand::Promoted(number))
    }

    /// Freezes the champion, so that the gate never replaces it, or thaws it; false when it is so already.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn set_frozen(&self, frozen: bool, decided: Decided<'_>) -> Result<bool, StorageError> {
        let transaction = self.connection.begin().await?;
        if lock_reign(&transaction).await?.frozen == frozen {
            return Ok(false);
        }
        let at = now(&transaction).await?;
        insert_freeze(&transaction, frozen, decided, at).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn insert_freeze(
    transaction: &DatabaseTransaction,
    frozen: bool,
    decided: Decided<'_>,
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let statement = sql("SELECT coalesce(max(number), 0) + 1 AS next FROM freezes", []);
    let row = transaction.query_one_raw(statement).await?;
    let next: Option<i64> = row.map(|row| row.try_get("", "next")).transpose()?;
    let row = freeze::ActiveModel {
        number: Set(next.unwrap_or(1)),
        frozen: Set(frozen),
        decided_at: Set(at),
        decided_by: Set(decided.by.to_owned()),
        reason: Set(plain(decided.reason)),
    };
    row.insert(transaction).await?;
    Ok(())
}

/// `text` has no U+0000.
fn plain(from: &str) -> String {
    from.replace('\0', "\u{fffd}")
}
