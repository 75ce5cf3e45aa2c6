//! Reading records: newest first by filters, and one by its id.

use chrono::{DateTime, Duration, Utc};
use domain::{
    ModelVersion,
    traffic::{TrafficRecord, first_id},
};
use sea_orm::{ConnectionTrait as _, FromQueryResult as _, Value};
use uuid::Uuid;

use super::{row::to_domain, slot::newest_of_model};
use crate::{Database, Page, PageRequest, StorageError, database::sql, entity::traffic};

/// `at` and the id's own millisecond may come from two looks at the clock.
const SLACK: Duration = Duration::seconds(1);

/// Which records are wanted.
#[derive(Debug, Clone, Default)]
pub struct TrafficFilter {
    /// From this time on.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// Of this path.
    pub path: Option<String>,
    /// Answered with this status.
    pub status: Option<u16>,
    /// Answered by this model.
    pub model_version: Option<ModelVersion>,
}

/// How much of a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// All of it.
    Whole,
    /// Bodies with more bytes are told by their digest.
    Bytes(u32),
}

/// The path and the status that most records have, and that no index is there for.
const USUAL_PATH: &str = "/v1/predictions";
const USUAL_STATUS: u16 = 200;

impl TrafficFilter {
    /// Whether records are asked for by a path or a status that few have.
    fn is_for_rare(&self) -> bool {
        let rare_path = self.path.as_deref().is_some_and(|path| path != USUAL_PATH);
        rare_path || self.status.is_some_and(|status| status != USUAL_STATUS)
    }
}

/// A condition and what it compares with, so that no value becomes part of the text.
struct Conditions {
    text: Vec<String>,
    values: Vec<Value>,
    /// The ids of all records that fulfil them are not below this.
    oldest: Uuid,
    /// Nor above this.
    newest: Uuid,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            values: Vec::new(),
            oldest: Uuid::nil(),
            newest: Uuid::max(),
        }
    }
}

impl Conditions {
    /// The placeholder of a value.
    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// `?` in the text stands for the value.
    fn add(&mut self, text: &str, value: impl Into<Value>) {
        let value = self.value(value);
        self.text.push(text.replace('?', &value));
    }

    fn from(&mut self, id: Uuid) {
        self.oldest = self.oldest.max(id);
        self.add("id >= ?", id);
    }

    fn below(&mut self, id: Uuid) {
        self.newest = self.newest.min(id);
        self.add("id < ?", id);
    }

    fn of(filter: &TrafficFilter) -> Self {
        let mut all = Self::default();
        if let Some(since) = filter.since {
            all.from(first_id(since - SLACK));
            all.add("at >= ?", since);
        }
        if let Some(until) = filter.until {
            all.below(first_id(until + SLACK));
            all.add("at < ?", until);
        }
        if let Some(path) = &filter.path {
            all.path(path);
        }
        if let Some(status) = filter.status {
            all.add("status = ?", status.cast_signed());
            // So that the planner sees that the index of these answers holds them all.
            if status != USUAL_STATUS {
                all.text.push(format!("status <> {USUAL_STATUS}"));
            }
        }
        if let Some(version) = filter.model_version {
            all.add("model_version = ?", i64::from(version));
        }
        all
    }

    fn path(&mut self, path: &str) {
        self.add("path = ?", path);
        if path != USUAL_PATH {
            self.add("left(path, 200) = left(?, 200)", path);
            self.text.push(format!("path <> '{USUAL_PATH}'"));
        }
    }

    /// What selects the newest of a model.
    fn newest_of_model(&mut self, version: ModelVersion, select: &str, limit: u64) -> String {
        let conditions = self.where_clause();
        let version = self.value(i64::from(version));
        let (oldest, newest) = (self.value(self.oldest), self.value(self.newest));
        newest_of_model([&version, &oldest, &newest], select, &conditions, limit)
    }

    fn where_clause(&self) -> String {
        if self.text.is_empty() {
            return String::new();
        }
        format!("WHERE {}", self.text.join(" AND "))
    }
}

fn select(limit: BodyLimit) -> String {
    let cut = |body: &str| match limit {
        BodyLimit::Whole => format!("{body}_body, {body}_digest"),
        BodyLimit::Bytes(most) => format!(
            "CASE WHEN length({body}_body) <= {most} THEN {body}_body ELSE '' END AS {body}_body, \
             CASE WHEN length({body}_body) <= {most} OR {body}_digest IS NOT NULL THEN {body}_digest \
             ELSE sha256({body}_body) || int8send(length({body}_body)) END AS {body}_digest"
        ),
    };
    format!(
        "SELECT id, at, method, path, query, status, duration_us, model_version, client, request_headers, headers, \
         key_id, shortened, repeats, {}, {} FROM traffic",
        cut("request"),
        cut("response")
    )
}

impl Database {
    /// Records, newest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn traffic(
        &self,
        filter: &TrafficFilter,
        page: &PageRequest,
        bodies: BodyLimit,
    ) -> Result<Page<TrafficRecord>, StorageError> {
        let mut conditions = Conditions::of(filter);
        if let Some(below) = page
            .cursor
            .as_deref()
            .and_then(|cursor| cursor.parse::<Uuid>().ok())
        {
            conditions.below(below);
        }
        let (select, limit) = (select(bodies), page.limit + 1);
        let text = match filter.model_version.filter(|_| !filter.is_for_rare()) {
            Some(version) => conditions.newest_of_model(version, &select, limit),
            None => format!(
                "{select} {} ORDER BY id DESC LIMIT {limit}",
                conditions.where_clause()
            ),
        };
        let rows = self.rows(&text, conditions.values).await?;
        Page::of(rows, page.limit, |row| row.id.to_string(), to_domain)
    }

    /// Records from the oldest on, after the one with this id; for reading all of them, a part at a time.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn traffic_after(
        &self,
        filter: &TrafficFilter,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<TrafficRecord>, StorageError> {
        let mut conditions = Conditions::of(filter);
        if let Some(after) = after {
            conditions.add("id > ?", after);
        }
        let text = format!(
            "{} {} ORDER BY id LIMIT {limit}",
            select(BodyLimit::Whole),
            conditions.where_clause()
        );
        let rows = self.rows(&text, conditions.values).await?;
        rows.into_iter().map(to_domain).collect()
    }

    /// One record.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn traffic_record(&self, id: Uuid) -> Result<Option<TrafficRecord>, StorageError> {
        let text = format!("{} WHERE id = $1", select(BodyLimit::Whole));
        let rows = self.rows(&text, vec![id.into()]).await?;
        rows.into_iter().next().map(to_domain).transpose()
    }

    async fn rows(&self, text: &str, values: Vec<Value>) -> Result<Vec<traffic::Model>, StorageError> {
        let rows = self.connection.query_all_raw(sql(text, values)).await?;
        Ok(rows
            .iter()
            .map(|row| traffic::Model::from_query_result(row, ""))
            .collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_becomes_a_condition_and_no_value_becomes_text() {
        let filter = TrafficFilter {
            since: Some(DateTime::UNIX_EPOCH),
            until: Some(DateTime::UNIX_EPOCH),
            path: Some("/'; DROP".to_owned()),
            status: Some(404),
            model_version: Some(ModelVersion::FIRST),
        };
        let conditions = Conditions::of(&filter);
        assert_eq!(
            conditions.where_clause(),
            "WHERE id >= $1 AND at >= $2 AND id < $3 AND at < $4 AND path = $5 AND left(path, 200) = left($6, 200) \
             AND path <> '/v1/predictions' AND status = $7 AND status <> 200 AND model_version = $8"
        );
        assert_eq!(conditions.values.len(), 8);
        assert_eq!(Conditions::of(&TrafficFilter::default()).where_clause(), "");
    }
}
