//! Writing records in groups: one statement, one transaction, one fsync.
//!
//! A record that is there already is left as it is, so that a group whose answer was lost can be written again. Looking
//! for each first costs Postgres a third more, and finding the partition of each a twentieth: so a group is inserted as
//! new and of one day, and settled by its ids when that is refused.

use std::sync::Arc;

use domain::traffic::TrafficRecord;
use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{
        self, Arguments as _, AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool,
        SqlSafeStr as _, SqlStr,
        postgres::{PgArguments, PgQueryResult},
    },
};

use super::{
    days::{day_of, partition_of},
    row::{Row, rows},
};
use crate::{Database, StorageError};

/// Where records are, all days.
const TABLE: &str = "traffic";

/// Inserts into a table what is not there yet.
fn insert_into(table: &str) -> SqlStr {
    // Shared, so that to use it again costs nothing.
    let insert: Arc<str> = inserting(table).into();
    AssertSqlSafe(insert).into_sql_str()
}

/// Inserts records of all days, and leaves what is there as it is.
fn settle() -> SqlStr {
    AssertSqlSafe(inserting(TABLE) + " ON CONFLICT (id) DO NOTHING").into_sql_str()
}

/// Columns are in the table's order, so that Postgres copies rows as they come.
fn inserting(table: &str) -> String {
    format!(
        "INSERT INTO {table} (id, at, method, path, query, status, duration_us, model_version, client, request_headers, \
         request_body, response_body, key_id, request_digest, response_digest, model_repeated, headers, shortened, \
         repeats) SELECT id, at, method, path, query, status, duration_us, model_version, client, request_headers, request_body, \
         response_body, key_id, request_digest, response_digest, model_repeated, headers, shortened, repeats \
         FROM UNNEST($1::traffic_entry_v2[])"
    )
}

/// Whatever the role's defaults are: an answer means that the commit is on disk.
const DURABLY: &str = "SET synchronous_commit = on";

/// Writes groups over a connection of its own, one group at a time.
pub struct TrafficWriter {
    pool: PgPool,
    connection: Option<PgConnection>,
    of_day: Option<OfDay>,
}

/// How to insert the records of a day, kept for the next group, which is of the same but once a day.
struct OfDay {
    day: i64,
    insert: SqlStr,
}

/// Why a group was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something in the group is refused whenever it is written: the rest can be written without it.
    #[error("Postgres refuses a record")]
    Refused(#[source] StorageError),
    /// Postgres does not write now.
    #[error("Postgres does not write")]
    Away(#[source] StorageError),
}

impl Database {
    /// A writer of traffic records; it connects when it first writes.
    #[must_use]
    pub fn traffic_writer(&self) -> TrafficWriter {
        TrafficWriter {
            pool: self.connection.pool().clone(),
            connection: None,
            of_day: None,
        }
    }
}

impl TrafficWriter {
    /// Writes a group in one transaction; how many of them were not there before.
    ///
    /// Whoever stops waiting for this (drops the future) closes the connection: what became of the group is then
    /// open until it is written again. An empty group tells whether Postgres takes records.
    ///
    /// # Errors
    ///
    /// When the group is not written, or it is not known whether it is.
    pub async fn write(&mut self, records: &[&TrafficRecord]) -> Result<u64, WriteError> {
        let rows = rows(records);
        // What was open before may have ended meanwhile, with nothing wrong now: that shows on a new connection.
        if let Some(connection) = self.connection.take() {
            match self.insert(connection, &rows).await {
                Err(WriteError::Away(_)) => {}
                told => return told,
            }
        }
        let connection = self.connect().await.map_err(away)?;
        self.insert(connection, &rows).await
    }

    /// The connection is this future's, so that it goes with one that is dropped half way.
    async fn insert(&mut self, mut connection: PgConnection, rows: &[Row<'_>]) -> Result<u64, WriteError> {
        let insert = match rows {
            [first, ..] => self.insert_on_the_day_of(first),
            [] => insert_into(TABLE),
        };
        let mut written = execute(&mut connection, insert, rows).await;
        if written
            .as_ref()
            .is_err_and(|error| is_refusal(error) || is_of_class(error, &[NO_PARTITION]))
        {
            written = execute(&mut connection, settle(), rows).await;
        }
        match written {
            Ok(done) => {
                self.connection = Some(connection);
                Ok(done.rows_affected())
            }
            Err(error) if is_refusal(&error) => {
                self.connection = Some(connection);
                Err(WriteError::Refused(storage_error(error)))
            }
            Err(error) => Err(away(error)),
        }
    }

    /// Inserts into the partition of this row's day.
    fn insert_on_the_day_of(&mut self, row: &Row<'_>) -> SqlStr {
        let day = day_of(row.id());
        let of_day = self.of_day.take().filter(|it| it.day == day);
        let of_day = of_day.unwrap_or_else(|| OfDay {
            day,
            insert: insert_into(&partition_of(row.id())),
        });
        self.of_day.insert(of_day).insert.clone()
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        // Not the pool's: others may use that up, and records are written all the same.
        let mut connection = PgConnection::connect_with(&self.pool.connect_options()).await?;
        connection.execute(DURABLY).await?;
        Ok(connection)
    }
}

async fn execute(
    connection: &mut PgConnection,
    statement: SqlStr,
    rows: &[Row<'_>],
) -> Result<PgQueryResult, sqlx::Error> {
    let mut arguments = PgArguments::default();
    // All at once: growing, it would be copied several times over.
    arguments.reserve(1, rows.iter().map(Row::most_bytes).sum());
    arguments.add(rows).map_err(sqlx::Error::Encode)?;
    sqlx::query_with(statement, arguments).execute(connection).await
}

/// SQLSTATE classes that lie in the data: data exception, integrity constraint violation, program limit exceeded.
/// <https://www.postgresql.org/docs/15/errcodes-appendix.html>
const REFUSALS: [&str; 3] = ["22", "23", "54"];
/// The class of statements that cannot be: there is no such partition, or no right to write to it alone.
const NO_PARTITION: &str = "42";

fn is_refusal(error: &sqlx::Error) -> bool {
    is_of_class(error, &REFUSALS)
}

fn is_of_class(error: &sqlx::Error, classes: &[&str]) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let code = error.code();
    code.is_some_and(|code| code.get(..2).is_some_and(|class| classes.contains(&class)))
}

fn away(error: sqlx::Error) -> WriteError {
    WriteError::Away(storage_error(error))
}

fn storage_error(error: sqlx::Error) -> StorageError {
    DbErr::Exec(RuntimeErr::SqlxError(error.into())).into()
}
