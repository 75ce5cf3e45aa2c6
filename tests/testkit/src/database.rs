//! A Postgres database of one's own.

use anyhow::{Context as _, Result};
use migrations::{Migrator, MigratorTrait as _};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    Statement, TransactionTrait as _,
};
use serde_json::Value;
use uuid::Uuid;

use crate::settings::setting;

/// A database that one test made, and deletes.
#[derive(Clone)]
pub struct TestDatabase {
    name: String,
    admin: String,
    url: String,
    connection: DatabaseConnection,
}

impl TestDatabase {
    /// Makes an empty database.
    ///
    /// # Errors
    ///
    /// When the private Postgres does not do so.
    pub async fn empty() -> Result<Self> {
        Self::empty_on(&setting("LAPIDARY_TEST_POSTGRES_URL")?).await
    }

    async fn empty_on(admin: &str) -> Result<Self> {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let (server, _) = admin.rsplit_once('/').context("the URL names no database")?;
        let url = format!("{server}/{name}");
        execute(admin, &format!("CREATE DATABASE {name}")).await?;
        let connection = connect(&url).await?;
        Ok(Self {
            name,
            admin: admin.to_owned(),
            url,
            connection,
        })
    }

    /// Makes a database with the present schema.
    ///
    /// # Errors
    ///
    /// When the private Postgres does not do so.
    pub async fn migrated() -> Result<Self> {
        Self::migrated_on(&setting("LAPIDARY_TEST_POSTGRES_URL")?).await
    }

    /// Makes a database with the present schema on the server at `admin`.
    ///
    /// # Errors
    ///
    /// When that server does not do so.
    pub async fn migrated_on(admin: &str) -> Result<Self> {
        let database = Self::empty_on(admin).await?;
        Migrator::up(&database.connection, None).await?;
        Ok(database)
    }

    /// `postgres://…` of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The test's own connections.
    #[must_use]
    pub fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Runs statements.
    ///
    /// # Errors
    ///
    /// What Postgres says against them.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.connection.execute_unprepared(sql).await?;
        Ok(())
    }

    /// The rows of a query, as JSON objects.
    ///
    /// # Errors
    ///
    /// What Postgres says against it.
    pub async fn query(&self, sql: &str) -> Result<Vec<Value>> {
        let text = format!("SELECT to_jsonb(q) AS row FROM ({sql}) q");
        let rows = self
            .connection
            .query_all_raw(Statement::from_string(DbBackend::Postgres, text))
            .await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get("", "row"))
            .collect::<Result<_, _>>()?)
    }

    /// The one number that a query answers.
    ///
    /// # Errors
    ///
    /// When it answers something else.
    pub async fn number(&self, sql: &str) -> Result<i64> {
        let rows = self.query(&format!("SELECT ({sql}) AS number")).await?;
        rows.first()
            .and_then(|row| row["number"].as_i64())
            .with_context(|| format!("no number: {sql}"))
    }

    /// Begins a transaction, to hold locks with.
    ///
    /// # Errors
    ///
    /// When Postgres does not do so.
    pub async fn begin(&self) -> Result<Transaction> {
        Ok(Transaction(self.connection.begin().await?))
    }

    /// Deletes the database.
    ///
    /// # Errors
    ///
    /// When Postgres does not do so.
    pub async fn delete(self) -> Result<()> {
        self.connection.close().await?;
        execute(&self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}

/// A transaction of the test's own.
pub struct Transaction(DatabaseTransaction);

impl Transaction {
    /// Runs statements.
    ///
    /// # Errors
    ///
    /// What Postgres says against them.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.0.execute_unprepared(sql).await?;
        Ok(())
    }

    /// Lets go of every lock.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.0.rollback().await?)
    }
}

async fn connect(url: &str) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(4).sqlx_logging(false);
    Ok(Database::connect(options).await?)
}

async fn execute(url: &str, sql: &str) -> Result<()> {
    let connection = connect(url).await?;
    connection.execute_unprepared(sql).await?;
    Ok(connection.close().await?)
}
