//! Traffic by days: partitions made ahead, and dropped by age or size.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate};
use sea_orm::{ConnectionTrait as _, FromQueryResult};
use uuid::Uuid;

use crate::{Database, StorageError, database::sql};

/// A day waits so long for those who read or write; then it is tried again another time.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a day's partition is named: this, then its date.
const PREFIX: &str = "traffic_";
const DATE: &str = "%Y%m%d";

const MILLISECONDS_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// One day's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficDay {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// On disk, with indexes.
    pub bytes: u64,
    partition: String,
}

#[derive(FromQueryResult)]
struct Partition {
    name: String,
    bytes: i64,
}

impl Database {
    /// Makes the partitions of a day and of so many after it; how many were missing.
    ///
    /// # Errors
    ///
    /// When Postgres does not do so, such as when others hold the table for long.
    pub async fn make_traffic_days(&self, first: NaiveDate, more: u64) -> Result<u64, StorageError> {
        let mut made = 0;
        for offset in 0..=more {
            let day = first.checked_add_days(Days::new(offset)).unwrap_or(first);
            made += u64::from(self.make_traffic_day(day).await?);
        }
        Ok(made)
    }

    async fn make_traffic_day(&self, day: NaiveDate) -> Result<bool, StorageError> {
        let transaction = self.connection.begin().await?;
        transaction.execute_unprepared(&lock_timeout()).await?;
        let made = sql(
            "SELECT make_traffic_day($1::date) AS made",
            [day.to_string().into()],
        );
        let row = transaction.query_one_raw(made).await?;
        let made = row.map(|row| row.try_get("", "made")).transpose()?;
        transaction.commit().await?;
        Ok(made == Some(true))
    }

    /// Every day that has a partition, the oldest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn traffic_days(&self) -> Result<Vec<TrafficDay>, StorageError> {
        let text = "SELECT c.relname::text AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_inherits i \
                    JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'traffic'::regclass ORDER BY c.relname";
        let rows = self.connection.query_all_raw(sql(text, [])).await?;
        let mut days = Vec::new();
        for row in &rows {
            // The default partition is no day's.
            days.extend(day(Partition::from_query_result(row, "")?));
        }
        days.sort_by_key(|it: &TrafficDay| it.day);
        Ok(days)
    }

    /// Deletes a day's records for good.
    ///
    /// # Errors
    ///
    /// When Postgres does not do so, such as when others read for long.
    pub async fn drop_traffic_day(&self, day: &TrafficDay) -> Result<(), StorageError> {
        let transaction = self.connection.begin().await?;
        transaction.execute_unprepared(&lock_timeout()).await?;
        transaction
            .execute_unprepared(&format!("DROP TABLE {}", day.partition))
            .await?;
        Ok(transaction.commit().await?)
    }
}

/// Whoever waits for a lock on the table makes everybody behind wait, and among them the records.
fn lock_timeout() -> String {
    format!("SET LOCAL lock_timeout = {}", PATIENCE.as_millis())
}

/// The milliseconds since 1970 that an id begins with.
fn milliseconds(id: Uuid) -> i64 {
    (id.as_u128() >> 80) as i64
}

/// The number of the day that an id belongs to.
pub(super) fn day_of(id: Uuid) -> i64 {
    milliseconds(id) / MILLISECONDS_A_DAY
}

/// The table of the day that an id belongs to, if there is one; of an id that is no time, maybe not even a table's name.
pub(super) fn partition_of(id: Uuid) -> String {
    let day = DateTime::from_timestamp_millis(milliseconds(id)).unwrap_or_default();
    format!("{PREFIX}{}", day.format(DATE))
}

fn day(partition: Partition) -> Option<TrafficDay> {
    let date = partition.name.strip_prefix(PREFIX)?;
    Some(TrafficDay {
        day: NaiveDate::parse_from_str(date, DATE).ok()?,
        bytes: partition.bytes.cast_unsigned(),
        partition: partition.name,
    })
}

/// Which days go, the oldest first: those older than `days` whole days before `today`, and as many more as it takes
/// to stay within `bytes`. Today and days to come stay.
#[must_use]
pub fn expired(
    all: &[TrafficDay],
    today: NaiveDate,
    days: Option<u64>,
    bytes: Option<u64>,
) -> Vec<TrafficDay> {
    let oldest = days.and_then(|days| today.checked_sub_days(Days::new(days)));
    let mut total: u64 = all.iter().map(|day| day.bytes).sum();
    let past = all.iter().filter(|it| it.day < today);
    past.take_while(|it| {
        let goes = oldest.is_some_and(|oldest| it.day < oldest) || bytes.is_some_and(|most| total > most);
        total -= if goes { it.bytes } else { 0 };
        goes
    })
    .cloned()
    .collect()
}

#[cfg(test)]
mod tests {
    use domain::traffic::id_at;

    use super::*;

    fn days() -> Vec<TrafficDay> {
        let day = |name: &str| {
            super::day(Partition {
                name: format!("traffic_{name}"),
                bytes: 100,
            })
        };
        let names = ["20260101", "20260102", "20260103", "20260104", "default"];
        names.iter().filter_map(|name| day(name)).collect()
    }

    fn gone(days_kept: Option<u64>, bytes: Option<u64>) -> usize {
        let today = NaiveDate::from_ymd_opt(2026, 1, 3).unwrap();
        expired(&days(), today, days_kept, bytes).len()
    }

    #[test]
    fn an_id_belongs_to_the_day_of_its_time() {
        let id = |at: &str| id_at(at.parse().unwrap(), [255; 10]);
        assert_eq!(partition_of(id("2026-01-31T23:59:59.999Z")), "traffic_20260131");
        assert_eq!(partition_of(id("2026-02-01T00:00:00Z")), "traffic_20260201");
        let [last, first, next] = ["31T23:59:59.999Z", "31T00:00:00Z", "30T23:59:59.999Z"]
            .map(|time| day_of(id(&format!("2026-01-{time}"))));
        assert_eq!((last - first, first - next), (0, 1));
    }

    #[test]
    fn days_go_by_age_or_by_size_and_today_never() {
        assert_eq!(gone(None, None), 0);
        assert_eq!(
            (gone(Some(2), None), gone(Some(1), None), gone(Some(0), None)),
            (0, 1, 2)
        );
        assert_eq!(
            (gone(None, Some(400)), gone(None, Some(399)), gone(None, Some(0))),
            (0, 1, 2)
        );
        assert_eq!(gone(Some(1), Some(200)), 2);
    }
}
