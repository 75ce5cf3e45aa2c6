//! Lists, a page at a time.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::StorageError;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The most items to return.
    pub limit: u64,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
}

/// A part of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to ask for the next part; none at the end.
    pub next_cursor: Option<String>,
}

impl PageRequest {
    /// The number after which the page begins.
    pub(crate) fn number(&self) -> Option<i64> {
        self.cursor.as_deref()?.parse().ok()
    }

    /// The time and the key after which the page begins, as [`place`] writes them.
    pub(crate) fn place<K: FromStr>(&self) -> Option<(DateTime<Utc>, K)> {
        let (micros, key) = self.cursor.as_deref()?.split_once('.')?;
        let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        Some((at, key.parse().ok()?))
    }
}

/// A place in a list that is ordered by time and then by key, as a cursor names it.
pub fn place(at: DateTime<Utc>, key: impl ToString) -> String {
    format!("{}.{}", at.timestamp_micros(), key.to_string())
}

impl<T> Page<T> {
    /// The same part, of other items.
    #[must_use]
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            next_cursor: self.next_cursor,
        }
    }

    /// Makes a page of rows that were read one more than `limit` at the most.
    pub(crate) fn of<R>(
        mut rows: Vec<R>,
        limit: u64,
        cursor: impl Fn(&R) -> String,
        convert: impl Fn(R) -> Result<T, StorageError>,
    ) -> Result<Self, StorageError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        let items = rows.into_iter().map(convert).collect::<Result<_, _>>()?;
        Ok(Self { items, next_cursor })
    }
}
