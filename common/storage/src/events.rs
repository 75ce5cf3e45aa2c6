//! Reading the history of events, in the order of their commits.
//!
//! An event's place is given out under a lock that is held until its commit ([`crate::outbox`]), so whoever has seen
//! one place has seen every place before it: none comes late.

use sea_orm::{ConnectionTrait as _, EntityTrait as _};
use serde_json::Value;

use crate::{
    Database, During, Page, PageRequest, StorageError, database::sql, entity::event, listing::Listing,
};

/// An event of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEvent {
    /// Its place in the order of commits.
    pub seq: i64,
    /// Its type, such as `model.ready`.
    pub name: String,
    /// The CloudEvent.
    pub body: Value,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this type.
    pub name: Option<String>,
    /// Committed then, by the database's clock.
    pub during: During,
}

impl Database {
    /// Events after the page's cursor, in the order of their commits.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn events(
        &self,
        filter: &EventFilter,
        page: &PageRequest,
    ) -> Result<Page<PastEvent>, StorageError> {
        let listing = Listing::of("SELECT * FROM events")
            .when("seq > ?", page.number())
            .when("type = ?", filter.name.clone())
            .during("created_at", filter.during);
        let rows = event::Entity::find()
            .from_raw_sql(listing.ordered("seq", page))
            .all(&self.connection)
            .await?;
        let past = |row: event::Model| {
            Ok(PastEvent {
                seq: row.seq,
                name: row.r#type,
                body: row.body,
            })
        };
        Page::of(rows, page.limit, |row| row.seq.to_string(), past)
    }

    /// The place of the newest event; 0 before the first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn newest_event(&self) -> Result<i64, StorageError> {
        let statement = sql("SELECT coalesce(max(seq), 0) AS newest FROM events", []);
        let row = self.connection.query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get("", "newest")).transpose()?.unwrap_or(0))
    }
}
