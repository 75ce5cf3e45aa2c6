//! The connection to Postgres.

use std::time::Duration;

use migrations::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, DbBackend, Statement};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    StorageError,
    connection::{Connection, session_limits, with_pings},
};

/// How long to wait for a connection before Postgres counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement of a command may take: a person waits for it, and it may read or delete a great deal.
const COMMAND_LIMIT: Duration = Duration::from_secs(3600);

/// How to reach Postgres.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: SecretString,
    /// The most connections to open.
    pub max_connections: u32,
    /// The name that `pg_stat_activity` shows.
    pub application: String,
    /// How long a statement may take. Then it is given up: as [`StorageError::Unavailable`], its connection closed.
    pub statement_limit: Duration,
}

impl DatabaseSettings {
    /// For a command that a person waits for, whose statements may take long.
    #[must_use]
    pub fn for_command(url: SecretString, application: &str) -> Self {
        Self {
            url,
            max_connections: 2,
            application: application.to_owned(),
            statement_limit: COMMAND_LIMIT,
        }
    }
}

/// Postgres; cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) connection: Connection,
}

impl Database {
    /// Connects, and checks that the schema is this program's.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when Postgres does not answer, [`StorageError::Behind`] when
    /// migrations are missing.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, StorageError> {
        let database = Self::open(options(settings), settings).await?;
        database.check_schema().await?;
        Ok(database)
    }

    /// Connects when a query needs it, and not before; then the schema has to be checked
    /// ([`Database::check_schema`]) before anything else is asked.
    ///
    /// # Errors
    ///
    /// When the settings cannot be used.
    pub async fn connect_lazily(settings: &DatabaseSettings) -> Result<Self, StorageError> {
        let mut options = options(settings);
        options.connect_lazy(true);
        Self::open(options, settings).await
    }

    async fn open(options: ConnectOptions, settings: &DatabaseSettings) -> Result<Self, StorageError> {
        let pool = sea_orm::Database::connect(options).await?;
        Ok(Self {
            connection: Connection::new(pool, settings.statement_limit),
        })
    }

    /// Whether Postgres answers, within a few seconds.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StorageError> {
        Ok(self.connection.ping(ACQUIRE_TIMEOUT).await?)
    }

    /// Whether Postgres answers, but takes no changes: a standby, or an operator's setting.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when it does not answer.
    pub async fn is_read_only(&self) -> Result<bool, StorageError> {
        let ask = sql(
            "SELECT current_setting('transaction_read_only')::boolean AS read_only",
            [],
        );
        let row = self.connection.query_one_raw(ask).await?;
        let read_only = row.map(|row| row.try_get("", "read_only")).transpose()?;
        Ok(read_only.unwrap_or_default())
    }

    /// Checks that the schema is this program's.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when Postgres does not answer, [`StorageError::Behind`] when
    /// migrations are missing.
    pub async fn check_schema(&self) -> Result<(), StorageError> {
        let applied = self.applied_migrations().await?;
        let pending: Vec<_> = Migrator::migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .filter(|name| !applied.contains(name))
            .collect();
        if pending.is_empty() {
            Ok(())
        } else {
            Err(StorageError::Behind { pending })
        }
    }

    async fn applied_migrations(&self) -> Result<Vec<String>, StorageError> {
        let exists = "SELECT to_regclass('seaql_migrations') IS NOT NULL AS found";
        let exists = Statement::from_string(DbBackend::Postgres, exists);
        let row = self.connection.query_one_raw(exists).await?;
        let found = row.map(|row| row.try_get::<bool>("", "found")).transpose()?;
        if found != Some(true) {
            return Ok(Vec::new());
        }
        let names = Statement::from_string(DbBackend::Postgres, "SELECT version FROM seaql_migrations");
        let rows = self.connection.query_all_raw(names).await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get("", "version"))
            .collect::<Result<_, _>>()?)
    }
}

fn options(settings: &DatabaseSettings) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.url.expose_secret());
    let (application, limits) = (
        settings.application.clone(),
        session_limits(settings.statement_limit),
    );
    options
        .max_connections(settings.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |options| options.application_name(&application).options(limits.clone()))
        .map_sqlx_postgres_pool_opts(with_pings);
    options
}

/// A statement with `$1`-style parameters.
pub(crate) fn sql<V: IntoIterator<Item = sea_orm::Value>>(text: &str, values: V) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}
