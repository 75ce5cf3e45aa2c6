//! What can go wrong with storage, told apart by what to do about it.

use domain::Sha256;
use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Why storage did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Postgres or the object store cannot be reached, or cannot work now: wait and try again.
    #[error("{what} is unavailable")]
    Unavailable {
        /// `Postgres` or `the object store`.
        what: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Postgres answers, and lets this program in no longer or not at all.
    #[error("Postgres refuses the connection: check user, password and database in postgres.url")]
    Refused {
        /// What Postgres says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database's schema is older than this program.
    #[error("the database is behind by {}: run `migrations up` with this version", pending.join(", "))]
    Behind {
        /// Names of the migrations to apply.
        pending: Vec<String>,
    },
    /// An object that a row names is not in the object store.
    #[error("object {0} is missing from the object store")]
    MissingObject(String),
    /// An object's bytes are not those that a row names.
    #[error("object {path} is damaged: its SHA-256 is {found}")]
    DamagedObject {
        /// Where it is.
        path: String,
        /// What its bytes hash to.
        found: Sha256,
    },
    /// A Parquet batch that is not one of ours.
    #[error("not a batch of samples: {0}")]
    BadBatch(String),
    /// A row that no domain type can hold.
    #[error("row of {table} cannot be read: {reason}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An export that could not be written.
    #[error("the export cannot be written: {0}")]
    Export(String),
    /// A setting that cannot be used.
    #[error("{0}")]
    Setting(String),
    /// A local file could not be read or written.
    #[error("local file")]
    Io(#[from] std::io::Error),
    /// Any other refusal of the object store.
    #[error("object store")]
    Object(#[source] object_store::Error),
    /// Any other refusal of Postgres.
    #[error("Postgres")]
    Database(#[source] DbErr),
}

impl StorageError {
    /// Whether waiting may mend it: what was to be done is no worse for it.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Refused { .. })
    }

    pub(crate) fn bad_row(table: &'static str, reason: impl ToString) -> Self {
        Self::BadRow {
            table,
            reason: reason.to_string(),
        }
    }
}

impl From<DbErr> for StorageError {
    fn from(error: DbErr) -> Self {
        if is_refusal(&error) {
            return Self::Refused {
                source: Box::new(error),
            };
        }
        if can_wait(&error) {
            return Self::Unavailable {
                what: "Postgres",
                source: Box::new(error),
            };
        }
        Self::Database(error)
    }
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::Generic { .. } => unavailable(error),
            error => Self::Object(error),
        }
    }
}

/// The object store cannot work now.
pub(crate) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Unavailable {
        what: "the object store",
        source: Box::new(error),
    }
}

/// Whether Postgres refused to let this program in: SQLSTATE class 28 (user, password, `pg_hba.conf`) and 3D000 (there
/// is no such database).
fn is_refusal(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    match &**cause {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| sqlstate_is_refusal(&code)),
        _ => false,
    }
}

fn sqlstate_is_refusal(code: &str) -> bool {
    code.starts_with("28") || code == "3D000"
}

fn can_wait(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            sqlx_can_wait(cause)
        }
        _ => false,
    }
}

fn sqlx_can_wait(cause: &sqlx::Error) -> bool {
    match cause {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| sqlstate_can_wait(&code)),
        _ => false,
    }
}

/// SQLSTATE classes after which the same statement may succeed later: connection (08), rolled back
/// for others' sake (40), resources (53), operator intervention (57), read-only (25006), a
/// transaction that idled for too long (25P03), and a lock that was waited for in vain (55P03). <https://www.postgresql.org/docs/15/errcodes-appendix.html>
fn sqlstate_can_wait(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "08" | "40" | "53" | "57") || matches!(code, "25006" | "25P03" | "55P03")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_is_waited_for_and_a_broken_constraint_is_not() {
        assert!(sqlstate_can_wait("57P01"));
        assert!(sqlstate_can_wait("25006"));
        assert!(sqlstate_can_wait("55P03"));
        assert!(!sqlstate_can_wait("23505"));
    }
}
