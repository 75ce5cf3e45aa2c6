//! Committing what intake decided about a data file.
//!
//! Dataset versions are given out under one lock, held by the changing transaction until its
//! commit: nobody sees version N + 1 before version N, and version N never changes.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    DatasetVersion, Sha256,
    event::{DatasetReady, Event, EventData},
    file::{DataFile, FileStatus},
};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ConnectionTrait as _, EntityTrait as _, Iterable as _, QueryOrder as _,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use tracing::warn;
use uuid::Uuid;

pub use crate::file_row::Kept;
use crate::{
    Database, StorageError,
    clock::now,
    connection::DatabaseTransaction,
    contents::{CarriedOver, VersionStamp},
    database::sql,
    entity::{data_file, dataset},
    file_row::{news, to_domain, to_row},
    outbox,
};

/// Advisory lock under which dataset versions are given out.
const DATASET_LOCK: i64 = 0x6c61_7069_0002;

/// The longest that its holder may be at work between two statements, once it has asked for that.
const LONGEST_WORK: Duration = Duration::from_secs(600);

/// After a lost answer, how long is looked for what was committed, and how often.
const LOOK_FOR: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The newest dataset version, as the holder of the lock sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its number.
    pub version: DatasetVersion,
    /// How many samples it holds.
    pub rows: u64,
    /// What tells it apart from a version of the same number in another history.
    pub stamp: VersionStamp,
}

/// What [`Database::begin_acceptance`] found.
#[derive(Debug)]
pub enum Acceptance {
    /// This content was judged before, and not rejected.
    Known(Box<DataFile>),
    /// The lock is held; the file can be committed.
    Open(OpenChange),
}

/// The right to make the next dataset version; dropping it gives it up.
#[derive(Debug)]
pub struct OpenChange {
    pub(crate) transaction: DatabaseTransaction,
    newest: Option<Newest>,
    pub(crate) database: Database,
}

/// What the next dataset version changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// These rows came with a file.
    Added { batch: Sha256, overlaps: bool },
    /// A file left; these of its rows stay, because others brought them as well.
    Removed { carried_over: Option<CarriedOver> },
}

impl Database {
    /// Takes the lock under which dataset versions are given out, to accept the file `sha256`.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn begin_acceptance(&self, sha256: Sha256) -> Result<Acceptance, StorageError> {
        let change = self.begin_change().await?;
        let row = data_file::Entity::find_by_id(sha256.as_bytes().to_vec())
            .one(&change.transaction)
            .await?;
        match row.map(to_domain).transpose()? {
            Some(file) if file.status != FileStatus::Rejected => Ok(Acceptance::Known(Box::new(file))),
            _ => Ok(Acceptance::Open(change)),
        }
    }

    pub(crate) async fn begin_change(&self) -> Result<OpenChange, StorageError> {
        let transaction = self.connection.begin().await?;
        transaction
            .execute_raw(sql("SELECT pg_advisory_xact_lock($1)", [DATASET_LOCK.into()]))
            .await?;
        let newest = dataset::Entity::find()
            .order_by_desc(dataset::Column::Version)
            .one(&transaction)
            .await?;
        let newest = newest.map(newest_of).transpose()?;
        Ok(OpenChange {
            transaction,
            newest,
            database: self.clone(),
        })
    }

    /// Records that nothing of `file` is used; content that was accepted or held stays so. Its times become the
    /// database's.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn record_rejection(&self, file: &mut DataFile) -> Result<(), StorageError> {
        let happened = EventData::FileRejected(news(file));
        self.record(file, None, happened).await
    }

    /// Records that `file` waits for an operator; content that was accepted or held before stays so. Its times become
    /// the database's.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn record_held(&self, file: &mut DataFile, kept: &Kept) -> Result<(), StorageError> {
        let happened = EventData::FileHeld(news(file));
        self.record(file, Some(kept), happened).await
    }

    async fn record(
        &self,
        file: &mut DataFile,
        kept: Option<&Kept>,
        happened: EventData,
    ) -> Result<(), StorageError> {
        // Under the lock, so that nobody accepts the same content at the same time.
        let OpenChange { transaction, .. } = self.begin_change().await?;
        on_the_databases_clock(file, now(&transaction).await?);
        if upsert(&transaction, file, kept).await? == 0 {
            return Ok(transaction.rollback().await?);
        }
        let event = append(&transaction, [happened], file.finished_at).await?;
        self.commit_or_look(transaction, event).await
    }

    /// Commits; where the answer is lost, looks whether it was done: the caller would do it once more otherwise.
    pub(crate) async fn commit_or_look(
        &self,
        transaction: DatabaseTransaction,
        event: Uuid,
    ) -> Result<(), StorageError> {
        let Err(lost) = transaction.commit().await.map_err(StorageError::from) else {
            return Ok(());
        };
        if lost.is_unavailable() && self.happened(event).await {
            warn!(event.id = %event, "the answer of a commit was lost; it was done");
            return Ok(());
        }
        Err(lost)
    }

    /// Whether the transaction with this event was committed; false as well when Postgres stays away for long.
    async fn happened(&self, event: Uuid) -> bool {
        let started = Instant::now();
        loop {
            match self.look_for(event).await {
                Ok(found) => return found,
                Err(error) if error.is_unavailable() && started.elapsed() < LOOK_FOR => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(_) => return false,
            }
        }
    }

    /// Under the lock, which the transaction holds as long as it is still committing.
    async fn look_for(&self, event: Uuid) -> Result<bool, StorageError> {
        let change = self.begin_change().await?;
        let statement = sql("SELECT seq FROM events WHERE id = $1", [event.into()]);
        let found = change.transaction.query_one_raw(statement).await?.is_some();
        change.give_up().await?;
        Ok(found)
    }
}

impl OpenChange {
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

    /// Commits the file, its dataset version and their events; returns the version. The file's times become the
    /// database's.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit; then nothing happened, or, where Postgres stays away, all of it: ask for the file
    /// again.
    pub async fn commit(self, file: &mut DataFile, kept: &Kept) -> Result<VersionStamp, StorageError> {
        on_the_databases_clock(file, now(&self.transaction).await?);
        let rows = self.rows_with(file);
        let change = Change::Added {
            batch: kept.batch,
            overlaps: kept.overlaps,
        };
        let stamp = self
            .make_version(file.sha256, change, rows, file.finished_at)
            .await?;
        upsert(&self.transaction, file, Some(kept)).await?;
        let happened = [EventData::FileAccepted(news(file)), self.dataset_ready(rows)];
        let event = append(&self.transaction, happened, file.finished_at).await?;
        self.database.commit_or_look(self.transaction, event).await?;
        Ok(stamp)
    }

    /// Lets the holder of the lock work for longer than Postgres lets a transaction idle, up to ten minutes: for
    /// one that lost the race for the lock so often that it finishes its work under it.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer; the lock is gone then, too.
    pub async fn allow_long_work(&self) -> Result<(), StorageError> {
        let limit = format!(
            "SET LOCAL idle_in_transaction_session_timeout = {}",
            LONGEST_WORK.as_millis()
        );
        self.transaction.execute_raw(sql(&limit, [])).await?;
        Ok(())
    }

    /// Lets go of the lock without having changed anything.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer; the lock is gone then, too.
    pub async fn give_up(self) -> Result<(), StorageError> {
        Ok(self.transaction.rollback().await?)
    }

    /// How many samples the dataset has with `file`.
    pub(crate) fn rows_with(&self, file: &DataFile) -> u64 {
        let before = self.newest.map_or(0, |newest| newest.rows);
        before + file.rows.rows_accepted - file.rows.rows_known
    }

    pub(crate) async fn make_version(
        &self,
        file: Sha256,
        change: Change,
        rows: u64,
        at: DateTime<Utc>,
    ) -> Result<VersionStamp, StorageError> {
        let (change, batch, overlaps) = match change {
            Change::Added { batch, overlaps } => ("added", Some(batch), overlaps),
            Change::Removed {
                carried_over: Some(CarriedOver { batch, overlaps }),
            } => ("removed", Some(batch), overlaps),
            Change::Removed { carried_over: None } => ("removed", None, false),
        };
        let row = dataset::ActiveModel {
            version: Set(self.next_version().into()),
            rows: Set(rows.cast_signed()),
            created_at: Set(at),
            file_sha256: Set(file.as_bytes().to_vec()),
            change: Set(change.to_owned()),
            batch_sha256: Set(batch.map(|batch| batch.as_bytes().to_vec())),
            may_repeat: Set(overlaps),
        };
        VersionStamp::of(&row.insert(&self.transaction).await?)
    }

    pub(crate) fn dataset_ready(&self, rows: u64) -> EventData {
        EventData::DatasetReady(DatasetReady {
            dataset_version: self.next_version(),
            rows,
        })
    }
}

/// Moves a file's times onto the database's clock: a service's own measures how long something took, and does not say
/// when it was.
fn on_the_databases_clock(file: &mut DataFile, now: DateTime<Utc>) {
    let took = (file.finished_at - file.received_at).max(TimeDelta::zero());
    file.received_at = now - took;
    file.finished_at = now;
}

/// Appends what happened, at least one thing, to the outbox; the last thing a transaction does before its commit. Gives
/// the first event's id, by which the transaction can be looked for.
pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    happened: impl IntoIterator<Item = EventData>,
    at: DateTime<Utc>,
) -> Result<Uuid, StorageError> {
    let event = |data| Event {
        id: Uuid::now_v7(),
        time: at,
        data,
    };
    let events: Vec<_> = happened.into_iter().map(event).collect();
    outbox::append(transaction, &events, at).await?;
    Ok(events.first().map_or(Uuid::nil(), |event| event.id))
}

/// Writes the file's row; nothing, when its content was judged before and not rejected.
async fn upsert(
    transaction: &DatabaseTransaction,
    file: &DataFile,
    kept: Option<&Kept>,
) -> Result<u64, StorageError> {
    let replace = OnConflict::column(data_file::Column::Sha256)
        .update_columns(
            data_file::Column::iter().filter(|column| !matches!(column, data_file::Column::Sha256)),
        )
        .action_and_where(
            Expr::col((data_file::Entity, data_file::Column::Status)).eq(FileStatus::Rejected.name()),
        )
        .to_owned();
    Ok(data_file::Entity::insert(to_row(file, kept))
        .on_conflict(replace)
        .exec_without_returning(transaction)
        .await?)
}

fn newest_of(row: dataset::Model) -> Result<Newest, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row("datasets", reason.to_string());
    Ok(Newest {
        version: DatasetVersion::try_from(row.version).map_err(|e| bad(&e))?,
        rows: u64::try_from(row.rows).map_err(|e| bad(&e))?,
        stamp: VersionStamp::of(&row)?,
    })
}
