//! Operators' decisions on data files: written down by the API, carried out by intake.

use chrono::{DateTime, Utc};
use domain::{
    Sha256,
    decision::{Decision, Verb},
    event::EventData,
    file::{DataFile, FileStatus},
};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _,
    NotSet, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::{
    Database, StorageError, Store,
    clock::now,
    connection::DatabaseTransaction,
    contents::CarriedOver,
    database::sql,
    entity::{data_file, file_decision},
    file_row::{news, to_domain},
    intake::{Change, OpenChange, append},
};

const TABLE: &str = "file_decisions";

/// What an operator asks for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The file.
    pub sha256: Sha256,
    /// What shall become of it.
    pub verb: Verb,
    /// Why.
    pub reason: String,
    /// The name of the operator's key.
    pub decided_by: String,
}

/// What became of an [`Order`].
#[derive(Debug, Clone, PartialEq)]
pub enum Ordered {
    /// It is written down, and intake will carry it out.
    Written(Box<DataFile>),
    /// There is no such file.
    NoSuchFile,
    /// Another decision on the file is not carried out yet.
    Undecided,
    /// It makes no sense for a file of this status.
    Unfit(FileStatus),
    /// It is withdrawn, and its good rows are no longer in the object store.
    NoRows,
}

/// A decision that is not carried out yet.
#[derive(Debug, Clone)]
pub struct OpenDecision {
    seq: i64,
    /// The file as it is before.
    pub file: DataFile,
    /// Its good rows, in the object store, as they were kept when it was judged.
    pub batch: Sha256,
    /// The hashes of its good rows, in the object store; none for a file from before they were kept.
    pub hashes: Option<Sha256>,
    /// What was decided.
    pub decision: Decision,
}

impl Database {
    /// Writes down a decision.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit, or the object store does not say whether it has the rows of a withdrawn file.
    pub async fn decide(&self, order: &Order, store: &Store) -> Result<Ordered, StorageError> {
        let transaction = self.connection.begin().await?;
        let Some(row) = data_file::Entity::find_by_id(order.sha256.as_bytes().to_vec())
            .lock_exclusive()
            .one(&transaction)
            .await?
        else {
            return Ok(Ordered::NoSuchFile);
        };
        let file = to_domain(row)?;
        if open(&transaction, order.sha256).await?.is_some() {
            return Ok(Ordered::Undecided);
        }
        if !order.verb.fits(file.status) {
            return Ok(Ordered::Unfit(file.status));
        }
        // The row is locked: what is there now is not deleted while the decision waits.
        if !self.are_rows_kept(&file, store).await? {
            return Ok(Ordered::NoRows);
        }
        let row = order_row(order, now(&transaction).await?)
            .insert(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Ordered::Written(Box::new(DataFile {
            decision: Some(decision_of(row)?),
            ..file
        })))
    }

    /// Whether the rows of a withdrawn file can still be found: in the batches of the last version that had it.
    async fn are_rows_kept(&self, file: &DataFile, store: &Store) -> Result<bool, StorageError> {
        if let Some(last) = file.last_version() {
            for batch in self.batches(last).await?.batches {
                if store.kept_batch(batch).await?.is_none() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The decisions that are not carried out yet, oldest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn open_decisions(&self) -> Result<Vec<OpenDecision>, StorageError> {
        let open = file_decision::Entity::find()
            .filter(file_decision::Column::AppliedAt.is_null())
            .order_by_asc(file_decision::Column::Seq)
            .all(&self.connection)
            .await?;
        let mut decisions = Vec::with_capacity(open.len());
        for row in open {
            let file = data_file::Entity::find_by_id(row.sha256.clone())
                .one(&self.connection)
                .await?;
            decisions.extend(file.map(|file| open_decision(row, file)).transpose()?);
        }
        Ok(decisions)
    }

    /// Carries out the rejection of a held file; false when that was done meanwhile.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn reject_held(&self, open: &OpenDecision) -> Result<bool, StorageError> {
        let change = self.begin_change().await?;
        let at = now(&change.transaction).await?;
        let rejected = DataFile {
            status: FileStatus::Rejected,
            rejection: Some(format!(
                "{} rejected it: {}",
                open.decision.decided_by, open.decision.reason
            )),
            ..open.file.clone()
        };
        let update = sql(
            "UPDATE data_files SET status = 'rejected', rejection = $2, batch_sha256 = NULL, hashes_sha256 = NULL, \
             distribution = NULL \
             WHERE sha256 = $1 AND status = 'held'",
            [key(&rejected).into(), rejected.rejection.clone().into()],
        );
        change
            .apply(open, update, [EventData::FileRejected(news(&rejected))], at)
            .await
    }

    /// Takes the lock under which dataset versions are given out, to carry out a decision.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn begin_decided(&self) -> Result<OpenChange, StorageError> {
        self.begin_change().await
    }

    /// Adds to each file the last decision on it.
    pub(crate) async fn with_decisions(&self, files: &mut [DataFile]) -> Result<(), StorageError> {
        let keys: Vec<Vec<u8>> = files.iter().map(key).collect();
        let rows = file_decision::Entity::find()
            .filter(file_decision::Column::Sha256.is_in(keys))
            .order_by_asc(file_decision::Column::Seq)
            .all(&self.connection)
            .await?;
        for row in rows {
            let of_row = |file: &&mut DataFile| file.sha256.as_bytes()[..] == row.sha256;
            if let Some(file) = files.iter_mut().find(of_row) {
                file.decision = Some(decision_of(row)?);
            }
        }
        Ok(())
    }
}

impl OpenChange {
    /// Carries out an acceptance: the file, of which `rows_known` rows are in the dataset already and the others in
    /// `batch`, makes the next version. False when that was done meanwhile.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn accept_decided(
        self,
        open: &OpenDecision,
        rows_known: u64,
        batch: Sha256,
    ) -> Result<bool, StorageError> {
        let mut file = open.file.clone();
        file.status = FileStatus::Accepted;
        file.rows.rows_known = rows_known;
        file.dataset_version = Some(self.next_version());
        file.withdrawn_version = None;
        let rows = self.rows_with(&file);
        let change = Change::Added {
            batch,
            overlaps: false,
        };
        let at = now(&self.transaction).await?;
        self.make_version(file.sha256, change, rows, at).await?;
        let update = sql(
            "UPDATE data_files SET status = 'accepted', rows_known = $2, dataset_version = $3, \
             withdrawn_version = NULL WHERE sha256 = $1 AND status IN ('held', 'withdrawn')",
            [
                key(&file).into(),
                rows_known.cast_signed().into(),
                file.dataset_version.map(i64::from).into(),
            ],
        );
        let happened = [EventData::FileAccepted(news(&file)), self.dataset_ready(rows)];
        self.apply(open, update, happened, at).await
    }

    /// Carries out a withdrawal: the next version, of `rows` samples, is without the file; the batch `carried_over`
    /// has the rows that would go with it though other files brought them as well. False when that was done
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit.
    pub async fn withdraw_decided(
        self,
        open: &OpenDecision,
        rows: u64,
        carried_over: Option<CarriedOver>,
    ) -> Result<bool, StorageError> {
        let mut file = open.file.clone();
        file.status = FileStatus::Withdrawn;
        file.withdrawn_version = Some(self.next_version());
        let change = Change::Removed { carried_over };
        let at = now(&self.transaction).await?;
        self.make_version(file.sha256, change, rows, at).await?;
        let update = sql(
            "UPDATE data_files SET status = 'withdrawn', withdrawn_version = $2 \
             WHERE sha256 = $1 AND status = 'accepted'",
            [key(&file).into(), file.withdrawn_version.map(i64::from).into()],
        );
        let happened = [EventData::FileWithdrawn(news(&file)), self.dataset_ready(rows)];
        self.apply(open, update, happened, at).await
    }

    async fn apply(
        self,
        open: &OpenDecision,
        update: sea_orm::Statement,
        happened: impl IntoIterator<Item = EventData>,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let applied = sql(
            "UPDATE file_decisions SET applied_at = $2 WHERE seq = $1 AND applied_at IS NULL",
            [open.seq.into(), at.into()],
        );
        let mine = self.transaction.execute_raw(applied).await?.rows_affected() == 1;
        if !mine || self.transaction.execute_raw(update).await?.rows_affected() != 1 {
            self.give_up().await?;
            return Ok(false);
        }
        let event = append(&self.transaction, happened, at).await?;
        self.database.commit_or_look(self.transaction, event).await?;
        Ok(true)
    }
}

async fn open(
    transaction: &DatabaseTransaction,
    sha256: Sha256,
) -> Result<Option<file_decision::Model>, StorageError> {
    Ok(file_decision::Entity::find()
        .filter(file_decision::Column::Sha256.eq(sha256.as_bytes().to_vec()))
        .filter(file_decision::Column::AppliedAt.is_null())
        .one(transaction)
        .await?)
}

fn order_row(order: &Order, at: DateTime<Utc>) -> file_decision::ActiveModel {
    file_decision::ActiveModel {
        seq: NotSet,
        sha256: Set(order.sha256.as_bytes().to_vec()),
        decision: Set(order.verb.name().to_owned()),
        reason: Set(order.reason.replace('\0', "\u{fffd}")),
        decided_by: Set(order.decided_by.clone()),
        decided_at: Set(at),
        applied_at: Set(None),
    }
}

fn open_decision(row: file_decision::Model, file: data_file::Model) -> Result<OpenDecision, StorageError> {
    let batch = file.batch_sha256.clone().unwrap_or_default();
    let hashes = file.hashes_sha256.as_deref();
    Ok(OpenDecision {
        seq: row.seq,
        batch: digest(&batch)?,
        hashes: hashes.map(digest).transpose()?,
        file: to_domain(file)?,
        decision: decision_of(row)?,
    })
}

fn decision_of(row: file_decision::Model) -> Result<Decision, StorageError> {
    Ok(Decision {
        decision: row
            .decision
            .parse()
            .map_err(|e| StorageError::bad_row(TABLE, e))?,
        reason: row.reason,
        decided_by: row.decided_by,
        decided_at: row.decided_at,
        applied_at: row.applied_at,
    })
}

fn digest(bytes: &[u8]) -> Result<Sha256, StorageError> {
    Sha256::try_from(bytes).map_err(|e| StorageError::bad_row("data_files", e))
}

fn key(file: &DataFile) -> Vec<u8> {
    file.sha256.as_bytes().to_vec()
}
