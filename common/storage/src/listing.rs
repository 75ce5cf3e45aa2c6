//! Lists with filters: a `SELECT` that grows conditions, each with its value.

use chrono::{DateTime, Utc};
use sea_orm::{Statement, Value};

use crate::{PageRequest, database::sql};

/// Which times are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct During {
    /// From this moment on.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// A query in the making.
pub(crate) struct Listing {
    text: String,
    values: Vec<Value>,
}

impl Listing {
    /// Begins with `SELECT … FROM …`.
    pub(crate) fn of(select: &str) -> Self {
        Self {
            text: format!("{select} WHERE true"),
            values: Vec::new(),
        }
    }

    /// Adds a condition if there is a value; `?` in it is the value.
    pub(crate) fn when<V: Into<Value>>(mut self, condition: &str, value: Option<V>) -> Self {
        if let Some(value) = value {
            self.values.push(value.into());
            let condition = condition.replace('?', &format!("${}", self.values.len()));
            self.text += &format!(" AND {condition}");
        }
        self
    }

    /// Adds a condition on times.
    pub(crate) fn during(self, column: &str, during: During) -> Self {
        self.when(&format!("{column} >= ?"), during.since)
            .when(&format!("{column} < ?"), during.until)
    }

    /// The whole statement; one row more than the page holds tells whether there is another.
    pub(crate) fn ordered(mut self, order: &str, page: &PageRequest) -> Statement {
        self.values.push((page.limit + 1).cast_signed().into());
        self.text += &format!(" ORDER BY {order} LIMIT ${}", self.values.len());
        sql(&self.text, self.values)
    }
}
