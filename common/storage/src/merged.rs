//! Small batches of versions that follow each other, merged into one object: reading a dataset costs by its rows, and
//! not by its files.
//!
//! The batches themselves stay: a version that has only some of the files is read from those.

use std::collections::HashMap;

use domain::{DatasetVersion, Sha256};
use sea_orm::ConnectionTrait as _;

use crate::{Database, DatasetReader, StorageError, Store, contents::AddedBatch, database::sql};

/// More rows are not merged: the requests for so many small batches are few beside what reading them takes.
const MOST_ROWS: i64 = 1 << 20;

/// What is read at once: a batch, or several merged into one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The object.
    pub(crate) batch: Sha256,
    /// The batches that it is merged of, to be read in its place if it is lost.
    pub(crate) parts: Vec<Sha256>,
}

impl Piece {
    /// Whether its parts can be read in its place after this error.
    pub(crate) fn is_replaceable(&self, error: &StorageError) -> bool {
        let is_lost = matches!(
            error,
            StorageError::MissingObject(_) | StorageError::DamagedObject { .. }
        );
        is_lost && !self.parts.is_empty()
    }
}

/// By the first version of each, the last one and the object.
pub(crate) type Merged = HashMap<i64, Vec<(i64, Sha256)>>;

impl Database {
    /// Begins to read the batches of the versions from `first` to `last`, to merge them. None when one of these
    /// versions did more than to add rows, or when they added too many.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn read_mergeable(
        &self,
        store: &Store,
        first: DatasetVersion,
        last: DatasetVersion,
    ) -> Result<Option<DatasetReader>, StorageError> {
        let (first, end) = (i64::from(first), i64::from(last));
        let query = "SELECT count(*) FILTER (WHERE change = 'added' AND NOT may_repeat) AS versions, \
            coalesce(max(rows), 0) - coalesce((SELECT rows FROM datasets WHERE version = $1::bigint - 1), 0) AS rows \
            FROM datasets WHERE version BETWEEN $1 AND $2";
        let row = self
            .connection
            .query_one_raw(sql(query, [first.into(), end.into()]))
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (versions, rows): (i64, i64) = (row.try_get("", "versions")?, row.try_get("", "rows")?);
        if versions != end - first + 1 || rows > MOST_ROWS {
            return Ok(None);
        }
        let mut added = self.added_batches(last).await?;
        added.retain(|added| added.version >= first);
        let pieces = pieces(added, &self.merged(last).await?);
        Ok(Some(DatasetReader::new(store.clone(), pieces, false)))
    }

    /// Notes that an object has the batches of the versions from `first` to `last`.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn set_merged(
        &self,
        first: DatasetVersion,
        last: DatasetVersion,
        batch: Sha256,
    ) -> Result<(), StorageError> {
        let insert = "INSERT INTO merged_batches VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let values = [
            i64::from(first).into(),
            i64::from(last).into(),
            batch.as_bytes().to_vec().into(),
        ];
        self.connection.execute_raw(sql(insert, values)).await?;
        Ok(())
    }

    /// What is merged of the versions up to `version`.
    pub(crate) async fn merged(&self, version: DatasetVersion) -> Result<Merged, StorageError> {
        let query = "SELECT * FROM merged_batches WHERE last_version <= $1";
        let query = sql(query, [i64::from(version).into()]);
        let mut merged = Merged::new();
        for row in self.connection.query_all_raw(query).await? {
            let batch: Vec<u8> = row.try_get("", "sha256")?;
            let batch = Sha256::try_from(batch.as_slice());
            let batch = batch.map_err(|e| StorageError::bad_row("merged_batches", e))?;
            let last = row.try_get("", "last_version")?;
            merged
                .entry(row.try_get("", "first_version")?)
                .or_default()
                .push((last, batch));
        }
        Ok(merged)
    }
}

/// Takes the longest merged objects in place of the batches that they are made of.
pub(crate) fn pieces(added: Vec<AddedBatch>, merged: &Merged) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = &added[..];
    while let [first, ..] = rest {
        let choice = longest(rest, merged.get(&first.version));
        let (taken, batch) = choice.unwrap_or((1, first.batch));
        let (parts, others) = rest.split_at(taken);
        pieces.push(Piece {
            batch,
            parts: match taken {
                1 => Vec::new(),
                _ => parts.iter().map(|part| part.batch).collect(),
            },
        });
        rest = others;
    }
    pieces
}

/// How many of the batches an object stands for, and which: all files that its versions added must be there.
fn longest(rest: &[AddedBatch], merged: Option<&Vec<(i64, Sha256)>>) -> Option<(usize, Sha256)> {
    let first = rest.first()?.version;
    let fits = |&(last, batch): &(i64, Sha256)| {
        let versions = usize::try_from(last - first + 1).ok()?;
        let at_end = rest.get(versions.checked_sub(1)?)?;
        (at_end.version == last).then_some((versions, batch))
    };
    merged?
        .iter()
        .filter_map(fits)
        .max_by_key(|(versions, _)| *versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(version: i64) -> Sha256 {
        Sha256::of(&version.to_be_bytes())
    }

    fn added(versions: impl IntoIterator<Item = i64>) -> Vec<AddedBatch> {
        let added = |version| AddedBatch {
            version,
            batch: batch(version),
            overlaps: false,
        };
        versions.into_iter().map(added).collect()
    }

    /// F14: many small batches are few objects; those of a version that lost a file are read one by one.
    #[test]
    fn merged_objects_stand_for_batches_that_are_all_there() {
        let merged: Merged = [
            (1, vec![(4, batch(100)), (8, batch(101))]),
            (5, vec![(8, batch(102))]),
        ]
        .into();
        let read = |versions: Vec<i64>| {
            let pieces = pieces(added(versions), &merged);
            pieces.into_iter().map(|piece| piece.batch).collect::<Vec<_>>()
        };
        assert_eq!(read((1..=9).collect()), [101, 9].map(batch));
        assert_eq!(read(vec![1, 2, 3, 4, 5, 7, 8]), [100, 5, 7, 8].map(batch));
        assert_eq!(read(vec![1, 3, 4, 5, 6, 7, 8]), [1, 3, 4, 102].map(batch));
        assert_eq!(read(vec![]), []);
    }
}
