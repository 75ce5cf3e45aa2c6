//! The outbox: a change of state and the events that tell of it are one transaction.
//!
//! `append` runs inside the changing transaction; the relay of any service later takes what is
//! unpublished ([`Database::take_unpublished`]), publishes it, and marks it. Two relays never take
//! the same event at once; an event may be published twice (a relay that dies after publishing),
//! never not at all. An event that the broker refused waits, longer after each refusal, and holds up no other.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::event::{Delivery, Event};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult, NotSet, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, LockBehavior, LockType},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{Database, StorageError, connection::DatabaseTransaction, database::sql, entity::event};

/// Advisory lock under which events get their place in the order of commits.
const EVENTS_LOCK: i64 = 0x6c61_7069_0001;

/// The longest wait between two tries to publish an event that the broker refuses; the first is a second.
const LONGEST_WAIT_SECONDS: i32 = 60;

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
        refusals: NotSet,
        not_before: NotSet,
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
    /// Whether the broker refused it before.
    pub was_refused: bool,
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
    /// Marks those events as published for which `published` answers true; the broker refused the rest, which are
    /// tried again later. Tells for how long each of the published ones had waited.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit; the events will be taken again then.
    pub async fn mark(self, published: impl Fn(&Unpublished) -> bool) -> Result<Vec<Duration>, StorageError> {
        let (done, refused): (Vec<_>, Vec<_>) = self.events.iter().partition(|event| published(event));
        let places = |events: Vec<&Unpublished>| events.iter().map(|event| event.seq).collect::<Vec<_>>();
        let (done, refused) = (places(done), places(refused));
        if !refused.is_empty() {
            let later = sql(
                "UPDATE events SET refusals = refusals + 1, not_before = clock_timestamp() \
                 + least(2 ^ least(refusals, 30), $2) * interval '1 second' WHERE seq = ANY($1)",
                [refused.into(), LONGEST_WAIT_SECONDS.into()],
            );
            self.transaction.execute_raw(later).await?;
        }
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

/// What waits in the outbox.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Backlog {
    /// How many events.
    pub waiting: u64,
    /// How many of them the broker refused at least once.
    pub refused: u64,
    /// The one that was committed first.
    pub oldest: Option<OldestEvent>,
}

/// The event that has waited longest.
#[derive(Debug, Clone, PartialEq)]
pub struct OldestEvent {
    /// Its place in the order of commits.
    pub seq: i64,
    /// Its type.
    pub name: String,
    /// How often the broker refused it.
    pub refusals: u32,
    /// For how long it has waited.
    pub age: Duration,
}

#[derive(Debug, FromQueryResult)]
struct BacklogRow {
    waiting: i64,
    refused: i64,
    seq: Option<i64>,
    name: Option<String>,
    refusals: Option<i32>,
    age: Option<f64>,
}

impl Database {
    /// Takes up to `limit` events that were never refused, oldest first, and up to `refused` of those that were and
    /// may be tried again now. Passes over those that another relay has.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn take_unpublished(&self, limit: u64, refused: u64) -> Result<Taken, StorageError> {
        let transaction = self.connection.begin().await?;
        let unpublished = || {
            event::Entity::find()
                .filter(event::Column::PublishedAt.is_null())
                .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        };
        let mut rows = unpublished()
            .filter(event::Column::NotBefore.is_null())
            .order_by_asc(event::Column::Seq)
            .limit(limit)
            .all(&transaction)
            .await?;
        if refused > 0 {
            let due = unpublished()
                .filter(Expr::cust("not_before <= clock_timestamp()"))
                .order_by_asc(event::Column::NotBefore)
                .limit(refused);
            rows.extend(due.all(&transaction).await?);
        }
        let events = rows
            .into_iter()
            .map(|row| Unpublished {
                seq: row.seq,
                id: row.id,
                name: row.r#type,
                must_route: row.must_route,
                was_refused: row.not_before.is_some(),
                body: row.body,
            })
            .collect();
        Ok(Taken { transaction, events })
    }

    /// What waits to be published.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StorageError> {
        let statement = sql(
            "SELECT all_of_it.waiting, all_of_it.refused, oldest.seq, oldest.type AS name, oldest.refusals, \
             greatest(0, extract(epoch FROM clock_timestamp() - oldest.created_at))::float8 AS age \
             FROM (SELECT count(*) AS waiting, count(not_before) AS refused, min(seq) AS seq \
                   FROM events WHERE published_at IS NULL) all_of_it LEFT JOIN events oldest USING (seq)",
            [],
        );
        let Some(row) = self.connection.query_one_raw(statement).await? else {
            return Ok(Backlog::default());
        };
        let row = BacklogRow::from_query_result(&row, "")?;
        let oldest = row.seq.zip(row.name).map(|(seq, name)| OldestEvent {
            seq,
            name,
            refusals: row.refusals.unwrap_or_default().unsigned_abs(),
            age: Duration::try_from_secs_f64(row.age.unwrap_or_default()).unwrap_or_default(),
        });
        Ok(Backlog {
            waiting: row.waiting.unsigned_abs(),
            refused: row.refused.unsigned_abs(),
            oldest,
        })
    }
}
