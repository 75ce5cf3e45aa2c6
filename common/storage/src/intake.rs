//! Committing what intake decided about a data file.
//!
//! Dataset versions are given out under one lock, held by the accepting transaction until its
//! commit: nobody sees version N + 1 before version N, and version N never changes.

use domain::{
    DatasetVersion, Sha256,
    event::{DatasetReady, Event, EventData, FileJudged},
    file::{DataFile, FileStatus},
};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction,
    EntityTrait as _, QueryFilter as _, QueryOrder as _, TransactionTrait as _, sea_query::OnConflict,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Database, StorageError, data_files,
    database::sql,
    entity::{data_file, dataset},
    outbox,
};

/// Advisory lock under which dataset versions are given out.
const DATASET_LOCK: i64 = 0x6c61_7069_0002;

/// The newest dataset version, as the holder of the lock sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its number.
    pub version: DatasetVersion,
    /// How many samples it holds.
    pub rows: u64,
}

/// What [`Database::begin_acceptance`] found.
#[derive(Debug)]
pub enum Acceptance {
    /// This content was accepted before.
    Known(Box<DataFile>),
    /// The lock is held; the file can be committed.
    Open(OpenAcceptance),
}

/// The right to make the next dataset version; dropping it gives it up.
#[derive(Debug)]
pub struct OpenAcceptance {
    transaction: DatabaseTransaction,
    newest: Option<Newest>,
}

impl Database {
    /// Takes the lock under which dataset versions are given out, to accept the file `sha256`.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn begin_acceptance(&self, sha256: Sha256) -> Result<Acceptance, StorageError> {
        let transaction = self.connection.begin().await?;
        transaction
            .execute_raw(sql("SELECT pg_advisory_xact_lock($1)", [DATASET_LOCK.into()]))
            .await?;
        let accepted = data_file::Entity::find_by_id(sha256.as_bytes().to_vec())
            .filter(data_file::Column::Status.eq(FileStatus::Accepted.name()))
            .one(&transaction)
            .await?;
        if let Some(row) = accepted {
            return Ok(Acceptance::Known(Box::new(data_files::to_domain(row)?)));
        }
        let newest = dataset::Entity::find()
            .order_by_desc(dataset::Column::Version)
            .one(&transaction)
            .await?;
        let newest = newest.map(newest_of).transpose()?;
        Ok(Acceptance::Open(OpenAcceptance { transaction, newest }))
    }

    /// Records that nothing of `file` is used; a file that was accepted stays accepted.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn record_rejection(&self, file: &DataFile) -> Result<(), StorageError> {
        let transaction = self.connection.begin().await?;
        let replace = OnConflict::column(data_file::Column::Sha256)
            .update_columns([
                data_file::Column::Name,
                data_file::Column::Rejection,
                data_file::Column::RowsRead,
                data_file::Column::RowsAccepted,
                data_file::Column::RowsKnown,
                data_file::Column::RowsRejected,
                data_file::Column::Reasons,
                data_file::Column::IgnoredColumns,
                data_file::Column::ReceivedAt,
                data_file::Column::FinishedAt,
            ])
            .action_and_where(data_file::Column::Status.eq(FileStatus::Rejected.name()))
            .to_owned();
        data_file::Entity::insert(to_row(file, None))
            .on_conflict(replace)
            .exec_without_returning(&transaction)
            .await?;
        let event = Event {
            id: Uuid::now_v7(),
            time: file.finished_at,
            data: EventData::FileRejected(news(file)),
        };
        outbox::append(&transaction, &[event], file.finished_at).await?;
        Ok(transaction.commit().await?)
    }
}

impl OpenAcceptance {
    /// The version before the one that will be made.
    #[must_use]
    pub fn newest(&self) -> Option<Newest> {
        self.newest
    }

    /// The version that the commit will make.
    #[must_use]
    pub fn next_version(&self) -> DatasetVersion {
        self.newest
            .map_or(DatasetVersion::FIRST, |newest| newest.version.next())
    }

    /// Commits the file, its dataset version and their events.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit; then nothing happened, or all of it: ask for the file again.
    pub async fn commit(self, file: &DataFile, batch: Sha256) -> Result<(), StorageError> {
        let version = self.next_version();
        let before = self.newest.map_or(0, |newest| newest.rows);
        let rows = before + file.rows.rows_accepted - file.rows.rows_known;
        dataset::ActiveModel {
            version: Set(version.into()),
            rows: Set(rows.cast_signed()),
            created_at: Set(file.finished_at),
        }
        .insert(&self.transaction)
        .await?;
        self.replace_row(file, batch).await?;
        let happened = [
            EventData::FileAccepted(news(file)),
            EventData::DatasetReady(DatasetReady {
                dataset_version: version,
                rows,
            }),
        ];
        let events = happened.map(|data| Event {
            id: Uuid::now_v7(),
            time: file.finished_at,
            data,
        });
        outbox::append(&self.transaction, &events, file.finished_at).await?;
        Ok(self.transaction.commit().await?)
    }

    /// Lets go of the lock without having changed anything.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer; the lock is gone then, too.
    pub async fn give_up(self) -> Result<(), StorageError> {
        Ok(self.transaction.rollback().await?)
    }

    async fn replace_row(&self, file: &DataFile, batch: Sha256) -> Result<(), StorageError> {
        let key = file.sha256.as_bytes().to_vec();
        data_file::Entity::delete_by_id(key)
            .exec(&self.transaction)
            .await?;
        data_file::Entity::insert(to_row(file, Some(batch)))
            .exec_without_returning(&self.transaction)
            .await?;
        Ok(())
    }
}

fn newest_of(row: dataset::Model) -> Result<Newest, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("datasets", reason.to_string());
    Ok(Newest {
        version: DatasetVersion::try_from(row.version).map_err(|e| bad(&e))?,
        rows: u64::try_from(row.rows).map_err(|e| bad(&e))?,
    })
}

fn news(file: &DataFile) -> FileJudged {
    FileJudged {
        sha256: file.sha256,
        name: file.name.clone(),
        rows: file.rows,
        dataset_version: file.dataset_version,
        rejection: file.rejection.clone(),
    }
}

fn to_row(file: &DataFile, batch: Option<Sha256>) -> data_file::ActiveModel {
    data_file::ActiveModel {
        sha256: Set(file.sha256.as_bytes().to_vec()),
        name: Set(file.name.clone()),
        bytes: Set(file.bytes.cast_signed()),
        status: Set(file.status.name().to_owned()),
        rejection: Set(file.rejection.clone()),
        rows_read: Set(file.rows.rows_read.cast_signed()),
        rows_accepted: Set(file.rows.rows_accepted.cast_signed()),
        rows_known: Set(file.rows.rows_known.cast_signed()),
        rows_rejected: Set(file.rows.rows_rejected.cast_signed()),
        reasons: Set(outbox::without_nul(json!(file.reasons))),
        ignored_columns: Set(outbox::without_nul(json!(file.ignored_columns))),
        batch_sha256: Set(batch.map(|digest| digest.as_bytes().to_vec())),
        dataset_version: Set(file.dataset_version.map(Into::into)),
        received_at: Set(file.received_at),
        finished_at: Set(file.finished_at),
    }
}
