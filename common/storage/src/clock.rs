//! The database's clock: leases are compared by it alone, so that no trainer's clock matters.

use std::time::Duration;

/// The SQL for a moment that lies `after` from now.
pub(crate) fn from_now(after: Duration) -> String {
    format!(
        "clock_timestamp() + interval '{} milliseconds'",
        after.as_millis()
    )
}
