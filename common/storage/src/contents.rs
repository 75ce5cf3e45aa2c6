//! What dataset versions are made of: batches, hashes and distributions.
//!
//! The rows of a version are the batches of its files, each as of the version that added the file, and the batch that
//! the latest withdrawal carried over. A file's batch has the rows that it brought first.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{DatasetVersion, Sha256};
use sea_orm::{ConnectionTrait as _, FromQueryResult, prelude::Json};

use crate::{
    Database, StorageError,
    database::sql,
    entity::dataset,
    file_row::Kept,
    merged::{self, Piece},
};

/// Files or changes that are read at once: their distributions are in memory together.
const PAGE: i64 = 256;

/// A dataset version, told apart from one of the same number in another history: after a backup was restored, or
/// another Postgres took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionStamp {
    /// Its number.
    pub version: DatasetVersion,
    file: Sha256,
    created_at: DateTime<Utc>,
}

/// A file of a dataset version.
#[derive(Debug, Clone)]
pub struct Member {
    /// The file.
    pub sha256: Sha256,
    /// The version that added it.
    pub added: VersionStamp,
    /// Its part in the dataset.
    pub kept: Kept,
}

/// What a dataset version changed.
#[derive(Debug, Clone)]
pub enum DatasetChange {
    /// A file came in.
    Added(Box<Member>),
    /// A file was withdrawn.
    Removed,
}

/// The rows of withdrawn files that others brought as well, after those did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarriedOver {
    /// The rows.
    pub batch: Sha256,
    /// Whether other batches may have some of them, too.
    pub overlaps: bool,
}

/// The batches of a dataset version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// Each once, in the version's order.
    pub batches: Vec<Sha256>,
    /// Whether identical rows can stand in them more than once.
    pub overlap: bool,
}

/// The batch that a version added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddedBatch {
    pub(crate) version: i64,
    pub(crate) batch: Sha256,
    pub(crate) overlaps: bool,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    version: i64,
    created_at: DateTime<Utc>,
    change: String,
    sha256: Vec<u8>,
    batch_sha256: Option<Vec<u8>>,
    may_repeat: bool,
    hashes_sha256: Option<Vec<u8>>,
    distribution: Option<Json>,
}

const COLUMNS: &str = "d.version, d.created_at, d.change, d.file_sha256 AS sha256, \
    coalesce(d.batch_sha256, f.batch_sha256) AS batch_sha256, d.may_repeat, f.hashes_sha256, f.distribution";

/// The last change of each file up to version `$1`.
const LAST_CHANGES: &str = "(SELECT DISTINCT ON (file_sha256) * FROM datasets WHERE version <= $1 \
    ORDER BY file_sha256, version DESC) d JOIN data_files f ON f.sha256 = d.file_sha256";

impl Database {
    /// The newest dataset version.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn newest_stamp(&self) -> Result<Option<VersionStamp>, StorageError> {
        let newest = "SELECT * FROM datasets ORDER BY version DESC LIMIT 1";
        let row = self.connection.query_one_raw(sql(newest, [])).await?;
        let row = row.map(|row| dataset::Model::from_query_result(&row, ""));
        row.transpose()?.as_ref().map(VersionStamp::of).transpose()
    }

    /// Whether the dataset's history has this version.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn has_version(&self, stamp: VersionStamp) -> Result<bool, StorageError> {
        let same = "SELECT 1 FROM datasets WHERE version = $1 AND file_sha256 = $2 AND created_at = $3";
        let values = [
            i64::from(stamp.version).into(),
            stamp.file.as_bytes().to_vec().into(),
            stamp.created_at.into(),
        ];
        let row = self.connection.query_one_raw(sql(same, values)).await?;
        Ok(row.is_some())
    }

    /// Some of the files of a dataset version, in its order: those that were added after `after`, or the first.
    /// None are left when there are none.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn members(
        &self,
        version: DatasetVersion,
        after: Option<DatasetVersion>,
    ) -> Result<Vec<Member>, StorageError> {
        let members = format!(
            "SELECT {COLUMNS} FROM {LAST_CHANGES} WHERE d.change = 'added' AND d.version > $2 ORDER BY d.version LIMIT {PAGE}"
        );
        let values = [i64::from(version).into(), after.map_or(0, i64::from).into()];
        let rows = self.connection.query_all_raw(sql(&members, values)).await?;
        rows.iter()
            .map(|row| Row::from_query_result(row, "")?.into_member())
            .collect()
    }

    /// The next changes after version `after` up to `to`, in order.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn changes(
        &self,
        after: DatasetVersion,
        to: DatasetVersion,
    ) -> Result<Vec<DatasetChange>, StorageError> {
        let changes = format!(
            "SELECT {COLUMNS} FROM datasets d JOIN data_files f ON f.sha256 = d.file_sha256 \
             WHERE d.version > $1 AND d.version <= $2 ORDER BY d.version LIMIT {PAGE}"
        );
        let values = [i64::from(after).into(), i64::from(to).into()];
        let rows = self.connection.query_all_raw(sql(&changes, values)).await?;
        let change = |row| {
            let row = Row::from_query_result(row, "")?;
            match row.change.as_str() {
                "added" => row.into_member().map(|it| DatasetChange::Added(Box::new(it))),
                _ => Ok(DatasetChange::Removed),
            }
        };
        rows.iter().map(change).collect()
    }

    /// The batches of a dataset version.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn batches(&self, version: DatasetVersion) -> Result<Batches, StorageError> {
        let added = self.added_batches(version).await?;
        let mut overlap = added.iter().any(|added| added.overlaps);
        let mut batches: Vec<_> = added.iter().map(|added| added.batch).collect();
        if let Some(carried_over) = self.carried_over(version).await? {
            overlap |= carried_over.overlaps;
            batches.push(carried_over.batch);
        }
        // Those without rows are all the same.
        let mut seen = HashSet::new();
        batches.retain(|batch| seen.insert(*batch));
        Ok(Batches { batches, overlap })
    }

    /// What a dataset version is read from, and whether identical rows can stand in it more than once.
    pub(crate) async fn pieces(&self, version: DatasetVersion) -> Result<(Vec<Piece>, bool), StorageError> {
        let added = self.added_batches(version).await?;
        let mut overlap = added.iter().any(|added| added.overlaps);
        let mut pieces = merged::pieces(added, &self.merged(version).await?);
        if let Some(carried_over) = self.carried_over(version).await? {
            overlap |= carried_over.overlaps;
            pieces.push(Piece {
                batch: carried_over.batch,
                parts: Vec::new(),
            });
        }
        // Batches without rows are all the same.
        let mut seen = HashSet::new();
        pieces.retain(|piece| seen.insert(piece.batch));
        Ok((pieces, overlap))
    }

    /// The batches of the files of a dataset version.
    pub(crate) async fn added_batches(
        &self,
        version: DatasetVersion,
    ) -> Result<Vec<AddedBatch>, StorageError> {
        let batches = format!(
            "SELECT d.version, coalesce(d.batch_sha256, f.batch_sha256) AS batch_sha256, d.may_repeat \
             FROM {LAST_CHANGES} WHERE d.change = 'added' ORDER BY d.version"
        );
        let batches = sql(&batches, [i64::from(version).into()]);
        let rows = self.connection.query_all_raw(batches).await?;
        rows.iter()
            .map(|row| {
                Ok(AddedBatch {
                    version: row.try_get("", "version")?,
                    batch: digest_of(row.try_get("", "batch_sha256")?)?,
                    overlaps: row.try_get("", "may_repeat")?,
                })
            })
            .collect()
    }

    /// The batch of the rows that the latest withdrawal up to `version` took out of a file's batch, and that other
    /// files brought as well.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn carried_over(&self, version: DatasetVersion) -> Result<Option<CarriedOver>, StorageError> {
        let latest = "SELECT batch_sha256, may_repeat FROM datasets WHERE change = 'removed' AND version <= $1 \
                      ORDER BY version DESC LIMIT 1";
        let latest = sql(latest, [i64::from(version).into()]);
        let Some(row) = self.connection.query_one_raw(latest).await? else {
            return Ok(None);
        };
        let batch: Option<Vec<u8>> = row.try_get("", "batch_sha256")?;
        let Some(batch) = batch else { return Ok(None) };
        Ok(Some(CarriedOver {
            batch: digest_of(batch)?,
            overlaps: row.try_get("", "may_repeat")?,
        }))
    }

    /// Notes where the hashes are of a file from before they were kept.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn set_hashes(&self, file: Sha256, hashes: Sha256) -> Result<(), StorageError> {
        let update = "UPDATE data_files SET hashes_sha256 = $2 WHERE sha256 = $1 AND hashes_sha256 IS NULL";
        let values = [file, hashes].map(|digest| digest.as_bytes().to_vec().into());
        self.connection.execute_raw(sql(update, values)).await?;
        Ok(())
    }
}

impl VersionStamp {
    pub(crate) fn of(row: &dataset::Model) -> Result<Self, StorageError> {
        Ok(Self {
            version: version_of(row.version)?,
            file: digest_of(row.file_sha256.clone())?,
            created_at: row.created_at,
        })
    }
}

impl Row {
    /// Files from before distributions were kept have an empty one.
    fn into_member(self) -> Result<Member, StorageError> {
        let sha256 = digest_of(self.sha256)?;
        let distribution = self.distribution.map(serde_json::from_value).transpose();
        Ok(Member {
            sha256,
            added: VersionStamp {
                version: version_of(self.version)?,
                file: sha256,
                created_at: self.created_at,
            },
            kept: Kept {
                batch: digest_of(self.batch_sha256.unwrap_or_default())?,
                overlaps: self.may_repeat,
                hashes: self.hashes_sha256.map(digest_of).transpose()?,
                distribution: distribution
                    .map_err(|e| StorageError::bad_row("data_files", e))?
                    .unwrap_or_default(),
            },
        })
    }
}

fn version_of(number: i64) -> Result<DatasetVersion, StorageError> {
    DatasetVersion::try_from(number).map_err(|e| StorageError::bad_row("datasets", e))
}

fn digest_of(bytes: Vec<u8>) -> Result<Sha256, StorageError> {
    Sha256::try_from(bytes.as_slice()).map_err(|e| StorageError::bad_row("data_files", e))
}
