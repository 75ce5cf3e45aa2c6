//! Writing records in groups: one statement, one transaction, one fsync.
//!
//! A record that is there already is left as it is, so that a group whose answer was lost can be written again. Looking
//! for each first costs Postgres a third more, so a group is inserted as new, and settled by its ids when that is refused.

use chrono::{DateTime, Utc};
use domain::traffic::{BodyDigest, RecordedBody, TrafficRecord};
use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, AssertSqlSafe, Executor as _, PgConnection, PgPool, postgres::PgArguments, query::Query},
};
use uuid::Uuid;

use crate::{Database, StorageError};

const INSERT: &str = "INSERT INTO traffic (id, at, method, path, query, status, duration_us, model_version, key_id, \
    client, request_headers, request_body, response_body, request_digest, response_digest) \
    SELECT id, at, method, path, query, status, duration_us, model_version, key_id, client, \
    request_headers::jsonb, request_body, response_body, request_digest, response_digest \
    FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[], \
    $8::bigint[], $9::uuid[], $10::text[], $11::text[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[]) \
    AS new (id, at, method, path, query, status, duration_us, model_version, key_id, client, \
    request_headers, request_body, response_body, request_digest, response_digest)";

/// Leaves what is there as it is.
const SETTLE: &str = "ON CONFLICT (id) DO NOTHING";

/// Whatever the role's defaults are: an answer means that the commit is on disk.
const DURABLY: &str = "SET synchronous_commit = on";

/// Writes groups over a connection of its own, one group at a time.
pub struct TrafficWriter {
    pool: PgPool,
    connection: Option<PgConnection>,
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
            pool: self.connection.get_postgres_connection_pool().clone(),
            connection: None,
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
        let mut connection = self.connect().await.map_err(away)?;
        let columns = Columns::of(records);
        let mut written = columns.bind(sqlx::query(INSERT)).execute(&mut connection).await;
        if written.as_ref().is_err_and(is_refusal) {
            let settle = sqlx::query(AssertSqlSafe(format!("{INSERT} {SETTLE}")));
            written = columns.bind(settle).execute(&mut connection).await;
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

    /// Taken out, so that it goes with a future that is dropped half way.
    async fn connect(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        // Not the pool's any more: others may use up the pool, and records are written all the same.
        let mut connection = self.pool.acquire().await?.detach();
        connection.execute(DURABLY).await?;
        Ok(connection)
    }
}

/// A group as the statement takes it: one array a column.
struct Columns<'r> {
    id: Vec<Uuid>,
    at: Vec<DateTime<Utc>>,
    method: Vec<&'r str>,
    path: Vec<&'r str>,
    query: Vec<Option<&'r str>>,
    status: Vec<i16>,
    duration_us: Vec<i64>,
    model_version: Vec<Option<i64>>,
    key_id: Vec<Option<Uuid>>,
    client: Vec<Option<&'r str>>,
    request_headers: Vec<String>,
    request_body: Vec<&'r [u8]>,
    response_body: Vec<&'r [u8]>,
    request_digest: Vec<Option<Vec<u8>>>,
    response_digest: Vec<Option<Vec<u8>>>,
}

impl<'r> Columns<'r> {
    fn of(records: &[&'r TrafficRecord]) -> Self {
        let mut columns = Self::with_capacity(records.len());
        for record in records {
            columns.push(record);
        }
        columns
    }

    fn with_capacity(rows: usize) -> Self {
        Self {
            id: Vec::with_capacity(rows),
            at: Vec::with_capacity(rows),
            method: Vec::with_capacity(rows),
            path: Vec::with_capacity(rows),
            query: Vec::with_capacity(rows),
            status: Vec::with_capacity(rows),
            duration_us: Vec::with_capacity(rows),
            model_version: Vec::with_capacity(rows),
            key_id: Vec::with_capacity(rows),
            client: Vec::with_capacity(rows),
            request_headers: Vec::with_capacity(rows),
            request_body: Vec::with_capacity(rows),
            response_body: Vec::with_capacity(rows),
            request_digest: Vec::with_capacity(rows),
            response_digest: Vec::with_capacity(rows),
        }
    }

    fn push(&mut self, record: &'r TrafficRecord) {
        self.id.push(record.id);
        self.at.push(record.at);
        self.method.push(&record.method);
        self.path.push(&record.path);
        self.query.push(record.query.as_deref());
        self.status.push(record.status.cast_signed());
        self.duration_us.push(record.duration_us.cast_signed());
        self.model_version.push(record.model_version.map(Into::into));
        self.key_id.push(record.key_id);
        self.client.push(record.client.as_deref());
        self.request_headers
            .push(super::row::headers_json(&record.request_headers));
        self.request_body.push(&record.request_body.bytes);
        self.response_body.push(&record.response_body.bytes);
        self.request_digest.push(digest(&record.request_body));
        self.response_digest.push(digest(&record.response_body));
    }

    fn bind<'q>(
        &'q self,
        query: Query<'q, sqlx::Postgres, PgArguments>,
    ) -> Query<'q, sqlx::Postgres, PgArguments> {
        query
            .bind(&self.id)
            .bind(&self.at)
            .bind(&self.method)
            .bind(&self.path)
            .bind(&self.query)
            .bind(&self.status)
            .bind(&self.duration_us)
            .bind(&self.model_version)
            .bind(&self.key_id)
            .bind(&self.client)
            .bind(&self.request_headers)
            .bind(&self.request_body)
            .bind(&self.response_body)
            .bind(&self.request_digest)
            .bind(&self.response_digest)
    }
}

fn digest(body: &RecordedBody) -> Option<Vec<u8>> {
    body.digest
        .map(|digest: BodyDigest| super::row::digest_bytes(&digest))
}

/// SQLSTATE classes that lie in the data: data exception (22), integrity constraint violation (23), program limit
/// exceeded (54). <https://www.postgresql.org/docs/15/errcodes-appendix.html>
fn is_refusal(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    error
        .code()
        .is_some_and(|code| matches!(code.get(..2), Some("22" | "23" | "54")))
}

fn away(error: sqlx::Error) -> WriteError {
    WriteError::Away(storage_error(error))
}

fn storage_error(error: sqlx::Error) -> StorageError {
    DbErr::Exec(RuntimeErr::SqlxError(error.into())).into()
}
