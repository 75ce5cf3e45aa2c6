//! Table `data_files` and the domain's data file: the conversions between them.

use domain::{
    DatasetVersion, Sha256,
    event::FileJudged,
    file::{DataFile, RowCounts},
    profile::Distribution,
};
use sea_orm::ActiveValue::Set;
use serde_json::{Value, json};

use crate::{StorageError, entity::data_file, outbox::without_nul};

const TABLE: &str = "data_files";

/// What is kept of a file that is, or may become, part of the dataset.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its good rows in the object store: of an accepted file those that it brought first, of a held one all, each
    /// once.
    pub batch: Sha256,
    /// Whether the batch may nevertheless repeat rows, of its own or of the dataset.
    pub overlaps: bool,
    /// The hashes of all its good rows, in the object store; none for a file from before they were kept.
    pub hashes: Option<Sha256>,
    /// How often each value stands in them.
    pub distribution: Distribution,
}

/// A data file as a row.
pub(crate) fn to_row(file: &DataFile, kept: Option<&Kept>) -> data_file::ActiveModel {
    data_file::ActiveModel {
        sha256: Set(file.sha256.as_bytes().to_vec()),
        name: Set(file.name.replace('\0', "\u{fffd}")),
        bytes: Set(file.bytes.cast_signed()),
        status: Set(file.status.name().to_owned()),
        rejection: Set(file.rejection.clone()),
        rows_read: Set(file.rows.rows_read.cast_signed()),
        rows_accepted: Set(file.rows.rows_accepted.cast_signed()),
        rows_known: Set(file.rows.rows_known.cast_signed()),
        rows_rejected: Set(file.rows.rows_rejected.cast_signed()),
        reasons: Set(without_nul(json!(file.reasons))),
        ignored_columns: Set(without_nul(json!(file.ignored_columns))),
        batch_sha256: Set(kept.map(|kept| kept.batch.as_bytes().to_vec())),
        dataset_version: Set(file.dataset_version.map(Into::into)),
        received_at: Set(file.received_at),
        finished_at: Set(file.finished_at),
        held: Set(file.held.clone()),
        withdrawn_version: Set(file.withdrawn_version.map(Into::into)),
        profile: Set(file.profile.as_ref().map(|profile| json!(profile))),
        distribution: Set(kept.map(|kept| json!(kept.distribution))),
        timings: Set(json!(file.timings)),
        hashes_sha256: Set(kept
            .and_then(|kept| kept.hashes)
            .map(|hashes| hashes.as_bytes().to_vec())),
    }
}

/// A row as the domain knows it; the operator's decision is another table's.
pub(crate) fn to_domain(row: data_file::Model) -> Result<DataFile, StorageError> {
    Ok(DataFile {
        rows: counts(&row)?,
        sha256: Sha256::try_from(row.sha256.as_slice()).map_err(bad)?,
        name: row.name,
        bytes: count(row.bytes)?,
        status: row.status.parse().map_err(bad)?,
        rejection: row.rejection,
        held: row.held,
        reasons: json_of(row.reasons)?,
        ignored_columns: json_of(row.ignored_columns)?,
        dataset_version: row.dataset_version.map(version).transpose()?,
        withdrawn_version: row.withdrawn_version.map(version).transpose()?,
        profile: row.profile.map(json_of).transpose()?,
        decision: None,
        timings: json_of(row.timings)?,
        received_at: row.received_at,
        finished_at: row.finished_at,
    })
}

/// What an event tells of a file.
pub(crate) fn news(file: &DataFile) -> FileJudged {
    FileJudged {
        sha256: file.sha256,
        name: file.name.clone(),
        rows: file.rows,
        dataset_version: file.withdrawn_version.or(file.dataset_version),
        rejection: file.rejection.clone(),
        held: file.held.clone(),
    }
}

fn counts(row: &data_file::Model) -> Result<RowCounts, StorageError> {
    Ok(RowCounts {
        rows_read: count(row.rows_read)?,
        rows_accepted: count(row.rows_accepted)?,
        rows_known: count(row.rows_known)?,
        rows_rejected: count(row.rows_rejected)?,
    })
}

fn count(number: i64) -> Result<u64, StorageError> {
    u64::try_from(number).map_err(bad)
}

fn version(number: i64) -> Result<DatasetVersion, StorageError> {
    DatasetVersion::try_from(number).map_err(bad)
}

fn json_of<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, StorageError> {
    serde_json::from_value(value).map_err(bad)
}

fn bad(reason: impl ToString) -> StorageError {
    StorageError::bad_row(TABLE, reason)
}
