//! The outbox: a change of state and the events that tell of it are one transaction.
//!
//! `append` runs inside the changing transaction; the relay of any service later takes what is
//! unpublished ([`Database::take_unpublished`]), publishes it, and marks it. Two relays never take
//! the same event at once; an event may be published twice (a relay that dies after publishing),
//! never not at all.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::event::{Delivery, Event};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, NotSet, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
    sea_query::{LockBehavior, LockType},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{Database, StorageError, connection::DatabaseTransaction, database::sql, entity::event};

/// Advisory lock under which events get their place in the order of commits.
const EVENTS_LOCK: i64 = 0x6c61_7069_0001;

/// Adds events to the transaction; the last thing it does before its commit.
pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    events: &[Event],
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    transaction
        .execute_raw(sql("SELECT pg_advisory_xact_lock($1)", [EVENTS_LOCK.into()]))
        .await?;
    let rows = events.iter().map(|event| event::ActiveModel {
        seq: NotSet,
        id: Set(event.id),
        r#type: Set(event.data.name().to_owned()),
        must_route: Set(event.data.delivery() == Delivery::MustRoute),
        body: Set(without_nul(event.to_json())),
        created_at: Set(at),
        published_at: NotSet,
    });
    event::Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// `jsonb` has no U+0000; it becomes U+FFFD, as other text that cannot be shown.
pub(crate) fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name.replace('\0', "\u{fffd}"), without_nul(value)))
            .collect(),
        other => other,
    }
}

/// An event that waits to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Unpublished {
    seq: i64,
    /// Its identity.
    pub id: Uuid,
    /// Its type, which is its routing key.
    pub name: String,
    /// Whether it counts as published only when some queue has it.
    pub must_route: bool,
    /// Its JSON.
    pub body: Value,
}

/// Events that this relay alone may publish, until it is dropped.
#[derive(Debug)]
pub struct Taken {
    transaction: DatabaseTransaction,
    /// The events, oldest first.
    pub events: Vec<Unpublished>,
}

impl Taken {
    /// Marks those events as published for which `published` answers true, and lets go of the rest. Tells for
    /// how long each of them had waited.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit; the events will be taken again then.
    pub async fn mark(self, published: impl Fn(&Unpublished) -> bool) -> Result<Vec<Duration>, StorageError> {
        let done: Vec<i64> = self
            .events
            .iter()
            .filter(|event| published(event))
            .map(|event| event.seq)
            .collect();
        let statement = sql(
            "UPDATE events SET published_at = clock_timestamp() WHERE seq = ANY($1) \
             RETURNING greatest(0, extract(epoch FROM published_at - created_at))::float8 AS waited",
            [done.into()],
        );
        let rows = self.transaction.query_all_raw(statement).await?;
        self.transaction.commit().await?;
        let waited = rows.iter().map(|row| row.try_get("", "waited"));
        let waited: Vec<f64> = waited.collect::<Result<_, _>>()?;
        Ok(waited.into_iter().map(Duration::from_secs_f64).collect())
    }
}

impl Database {
    /// Takes up to `limit` unpublished events, oldest first, passing over those that another relay has.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn take_unpublished(&self, limit: u64) -> Result<Taken, StorageError> {
        let transaction = self.connection.begin().await?;
        let rows = event::Entity::find()
            .filter(event::Column::PublishedAt.is_null())
            .order_by_asc(event::Column::Seq)
            .limit(limit)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&transaction)
            .await?;
        let events = rows
            .into_iter()
            .map(|row| Unpublished {
                seq: row.seq,
                id: row.id,
                name: row.r#type,
                must_route: row.must_route,
                body: row.body,
            })
            .collect();
        Ok(Taken { transaction, events })
    }

    /// How many events wait to be published.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn count_unpublished(&self) -> Result<u64, StorageError> {
        let waiting = event::Entity::find().filter(event::Column::PublishedAt.is_null());
        Ok(waiting.count(&self.connection).await?)
    }
}
