//! The database's clock: what is ordered or compared across services has its times, so that no service's clock matters.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::{StorageError, database::sql};

/// The SQL for a moment that lies `after` from now.
pub(crate) fn from_now(after: Duration) -> String {
    format!(
        "clock_timestamp() + interval '{} milliseconds'",
        after.as_millis()
    )
}

/// What the database's clock says. Asked under the lock that orders rows, it orders them as their numbers do.
pub(crate) async fn now(connection: &impl ConnectionTrait) -> Result<DateTime<Utc>, StorageError> {
    let row = connection
        .query_one_raw(sql("SELECT clock_timestamp() AS now", []))
        .await?;
    let now = row.map(|row| row.try_get("", "now")).transpose()?;
    now.ok_or_else(|| StorageError::bad_row("clock_timestamp()", "it has no rows"))
}
