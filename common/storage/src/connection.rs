//! Connections to Postgres on which nothing waits for ever.
//!
//! The server ends a statement that takes too long, waits too long for a lock, or leaves a transaction idle. A server,
//! or a way to it, that has gone silent ends nothing: so the client has a deadline of its own around every call. When
//! that passes, the call fails and its connection is closed, for whatever it would say later is nobody's any more.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
    TransactionTrait as _,
    prelude::async_trait::async_trait,
    sqlx::{
        self, Connection as _, Executor as _, PgConnection, PgPool, Postgres, Row as _, pool::PoolOptions,
    },
};
use tokio::time::timeout;

/// What a server gets beyond the limit, to say by itself that it ended the statement.
const GRACE: Duration = Duration::from_secs(1);

/// A connection that does not answer a ping within this is closed rather than lent, or taken back.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// A process that freezes inside a transaction must not hold its locks for ever.
const IDLE_IN_TRANSACTION_LIMIT: Duration = Duration::from_secs(15);

/// A transaction may be idle for so long however short statements have to be: while it is, its owner works or waits for
/// the broker, and neither is a statement.
const IDLE_IN_TRANSACTION_FLOOR: Duration = Duration::from_secs(5);

/// A pool of connections, with a deadline around every statement; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pool: DatabaseConnection,
    limit: Duration,
}

/// A transaction, with a deadline around every statement and around its commit.
#[derive(Debug)]
pub(crate) struct DatabaseTransaction {
    transaction: sea_orm::DatabaseTransaction,
    limit: Duration,
}

impl Connection {
    /// The connections of `pool`; each statement may take as long as `limit`.
    pub(crate) fn new(pool: DatabaseConnection, limit: Duration) -> Self {
        Self { pool, limit }
    }

    /// Begins a transaction, which is rolled back when it is dropped.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        Ok(DatabaseTransaction {
            transaction: within(self.limit, self.pool.begin()).await?,
            limit: self.limit,
        })
    }

    /// Whether Postgres answers, within `limit`.
    pub(crate) async fn ping(&self, limit: Duration) -> Result<(), DbErr> {
        within(limit, self.pool.ping()).await
    }

    /// The pool below; whoever uses it brings deadlines of their own.
    pub(crate) fn pool(&self) -> &PgPool {
        self.pool.get_postgres_connection_pool()
    }
}

impl DatabaseTransaction {
    /// Commits. When this fails, it may be committed all the same.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        within(self.limit, self.transaction.commit()).await
    }

    /// Rolls back.
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        within(self.limit, self.transaction.rollback()).await
    }
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        within(self.limit, self.pool.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        within(self.limit, self.pool.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        within(self.limit, self.pool.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        within(self.limit, self.pool.query_all_raw(statement)).await
    }
}

#[async_trait]
impl ConnectionTrait for DatabaseTransaction {
    fn get_database_backend(&self) -> DbBackend {
        self.transaction.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        within(self.limit, self.transaction.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        within(self.limit, self.transaction.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        within(self.limit, self.transaction.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        within(self.limit, self.transaction.query_all_raw(statement)).await
    }
}

/// The client's deadline. A call that is dropped half way gives its connection back to the pool, which closes it
/// because it does not answer ([`with_pings`]).
async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, DbErr>> + Send) -> Result<T, DbErr> {
    match timeout(limit.saturating_add(GRACE), call).await {
        Ok(answer) => answer,
        Err(_) => Err(silence(limit)),
    }
}

fn silence(limit: Duration) -> DbErr {
    let text = format!("Postgres did not answer within {} s", limit.as_secs_f64());
    DbErr::Conn(RuntimeErr::Internal(text))
}

/// Pings connections before they are lent and when they come back, with a deadline: the pool's own pings have none, so
/// that one silent connection after the other would take its places.
pub(crate) fn with_pings(options: PoolOptions<Postgres>) -> PoolOptions<Postgres> {
    options
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(soon(connection.ping())))
        .after_release(|connection, _| Box::pin(soon(leave_no_transaction(connection))))
}

/// On an error the pool closes the connection without saying goodbye.
async fn soon(answer: impl Future<Output = Result<(), sqlx::Error>> + Send) -> Result<bool, sqlx::Error> {
    match timeout(PING_LIMIT, answer).await {
        Ok(answer) => answer.map(|()| true),
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

/// A `BEGIN` whose answer was not waited for may have begun a transaction of which sqlx knows nothing. Whatever the
/// next borrower writes would be rolled back with it.
async fn leave_no_transaction(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // A statement outside of a transaction begins one of its own, at the same moment. Not prepared: the messages of a
    // prepared statement each have a moment of their own.
    let row = connection
        .fetch_one("SELECT now() < statement_timestamp()")
        .await?;
    match row.try_get::<bool, _>(0)? {
        false => Ok(()),
        true => Err(sqlx::Error::Protocol("it is still in a transaction".to_owned())),
    }
}

/// What every session is opened with, so that the server gives up on statements, locks and clients that are gone.
pub(crate) fn session_limits(statement_limit: Duration) -> [(&'static str, String); 6] {
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    // Below the statement's limit, so that it is said that a lock was waited for; above what a frozen holder may keep it,
    // unless statements have to be short.
    let lock_limit = statement_limit * 2 / 3;
    let idle_limit = (statement_limit / 2).clamp(IDLE_IN_TRANSACTION_FLOOR, IDLE_IN_TRANSACTION_LIMIT);
    [
        ("statement_timeout", milliseconds(statement_limit)),
        ("lock_timeout", milliseconds(lock_limit)),
        ("idle_in_transaction_session_timeout", milliseconds(idle_limit)),
        ("tcp_keepalives_idle", "30".to_owned()),
        ("tcp_keepalives_interval", "10".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use testkit::TestDatabase;

    use super::*;
    use crate::StorageError;

    #[test]
    fn silence_is_told_in_words_and_can_be_waited_for() {
        let error = StorageError::from(silence(Duration::from_secs(30)));
        assert!(error.is_unavailable());
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("Postgres did not answer within 30 s"), "{cause}");
    }

    /// W7: a call that is given up while its transaction begins.
    #[tokio::test]
    async fn a_connection_that_is_still_in_a_transaction_is_lent_to_nobody() -> anyhow::Result<()> {
        let database = TestDatabase::empty().await?;
        let pool = with_pings(PoolOptions::new().max_connections(1))
            .connect(database.url())
            .await?;
        let mut processes = Vec::new();
        for leave in ["SELECT 1", "SELECT 1", "BEGIN", "SELECT 1"] {
            let mut connection = pool.acquire().await?;
            let process = connection.fetch_one("SELECT pg_backend_pid()").await?;
            processes.push(process.try_get::<i32, _>(0)?);
            // As a `BEGIN` does whose answer nobody waited for: sqlx counts no transaction.
            connection.execute(leave).await?;
        }
        pool.close().await;
        database.delete().await?;
        let [first, second, third, fourth] = processes[..] else {
            anyhow::bail!("{processes:?}");
        };
        assert!(
            first == second && second == third,
            "healthy connections are kept: {processes:?}"
        );
        assert_ne!(third, fourth);
        Ok(())
    }

    #[test]
    fn locks_are_waited_for_longer_than_a_frozen_holder_keeps_them_and_shorter_than_statements_run() {
        for seconds in [10, 30, 3600] {
            let limits = session_limits(Duration::from_secs(seconds));
            let [statement, lock, idle] = [0, 1, 2].map(|n| limits[n].1.parse::<u64>().unwrap());
            assert!(idle < lock && lock < statement, "{limits:?}");
        }
    }

    #[test]
    fn a_transaction_may_be_idle_for_seconds_however_short_statements_have_to_be() {
        for milliseconds in [100, 2000] {
            let limits = session_limits(Duration::from_millis(milliseconds));
            assert_eq!(limits[2].1, "5000");
        }
    }
}
