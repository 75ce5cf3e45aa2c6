//! Reading dataset versions: what they are made of, and their samples.

use std::{fs::File, path::Path};

use chrono::{DateTime, Utc};
use domain::{
    DatasetVersion, Sample, Sha256,
    dataset::{Dataset, DatasetChangeKind, DatasetFile},
};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryOrder as _};
use tempfile::tempfile_in;

pub use crate::contents::{Batches, CarriedOver, DatasetChange, Member, VersionStamp};
use crate::{
    Database, DatasetReader, During, Page, PageRequest, StorageError, Store, database::sql, entity::dataset,
    listing::Listing,
};

/// Dataset versions, each with the file that it changed, and the number of its files.
const SELECT: &str = "\
    SELECT * FROM (
        SELECT d.version, d.rows, d.created_at, d.change, d.file_sha256, f.name, f.rows_accepted,
            sum(CASE d.change WHEN 'added' THEN 1 ELSE -1 END) OVER (ORDER BY d.version) AS files
        FROM datasets d JOIN data_files f ON f.sha256 = d.file_sha256
    ) d";

#[derive(Debug, FromQueryResult)]
struct Row {
    version: i64,
    rows: i64,
    created_at: DateTime<Utc>,
    change: String,
    file_sha256: Vec<u8>,
    name: String,
    rows_accepted: i64,
    files: i64,
}

#[derive(Debug, FromQueryResult)]
struct FileRow {
    sha256: Vec<u8>,
    name: String,
    rows_accepted: i64,
}

impl Database {
    /// Dataset versions, newest first; of the files of each only the one that it added.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn datasets(&self, during: During, page: &PageRequest) -> Result<Page<Dataset>, StorageError> {
        let listing = Listing::of(SELECT)
            .when("version < ?", page.number())
            .during("created_at", during);
        let rows = self
            .connection
            .query_all_raw(listing.ordered("version DESC", page))
            .await?;
        let rows = rows
            .iter()
            .map(|row| Row::from_query_result(row, ""))
            .collect::<Result<Vec<_>, _>>()?;
        Page::of(rows, page.limit, |row| row.version.to_string(), Row::into_dataset)
    }

    /// One dataset version, with all its files.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn dataset(&self, version: DatasetVersion) -> Result<Option<Dataset>, StorageError> {
        let one = sql(
            &format!("{SELECT} WHERE version = $1"),
            [i64::from(version).into()],
        );
        let Some(row) = self.connection.query_one_raw(one).await? else {
            return Ok(None);
        };
        let dataset = Row::from_query_result(&row, "")?.into_dataset()?;
        Ok(Some(Dataset {
            files: self.dataset_files(version).await?,
            ..dataset
        }))
    }

    /// The newest dataset version's number.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn newest_dataset(&self) -> Result<Option<DatasetVersion>, StorageError> {
        let newest = dataset::Entity::find().order_by_desc(dataset::Column::Version);
        let row = newest.one(&self.connection).await?;
        row.map(|row| version_of(row.version)).transpose()
    }

    /// The files of a dataset version, in the order in which they were accepted.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn dataset_files(&self, version: DatasetVersion) -> Result<Vec<DatasetFile>, StorageError> {
        let files = "SELECT f.sha256, f.name, f.rows_accepted FROM \
            (SELECT DISTINCT ON (file_sha256) * FROM datasets WHERE version <= $1 \
             ORDER BY file_sha256, version DESC) d JOIN data_files f ON f.sha256 = d.file_sha256 \
            WHERE d.change = 'added' ORDER BY d.version";
        let files = sql(files, [i64::from(version).into()]);
        let rows = self.connection.query_all_raw(files).await?;
        rows.iter()
            .map(|row| FileRow::from_query_result(row, "")?.into_file())
            .collect()
    }

    /// Every sample of a dataset version at once: see [`Database::read_dataset`].
    ///
    /// # Errors
    ///
    /// When Postgres or the object store does not answer, or a batch is missing or damaged.
    pub async fn samples(&self, store: &Store, version: DatasetVersion) -> Result<Vec<Sample>, StorageError> {
        let mut reader = self.read_dataset(store, version).await?;
        let mut samples = Vec::new();
        while let Some(some) = reader.next().await? {
            samples.extend(some);
        }
        Ok(samples)
    }

    /// Begins to read the samples of a dataset version in its order: files as accepted, rows as they stand in them,
    /// identical samples once; last those that only withdrawn files brought before others did.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn read_dataset(
        &self,
        store: &Store,
        version: DatasetVersion,
    ) -> Result<DatasetReader, StorageError> {
        let (pieces, overlap) = self.pieces(version).await?;
        Ok(DatasetReader::new(store.clone(), pieces, overlap))
    }

    /// Copies what a dataset version is read from into unnamed files in the folder `scratch`, in the version's order;
    /// and tells whether identical rows can stand in them more than once.
    ///
    /// # Errors
    ///
    /// When Postgres or the object store does not answer, a batch is missing or damaged, or a file cannot be written.
    pub async fn copy_dataset(
        &self,
        store: &Store,
        version: DatasetVersion,
        scratch: &Path,
    ) -> Result<(Vec<File>, bool), StorageError> {
        let (pieces, overlap) = self.pieces(version).await?;
        let mut files = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match store.copy_batch(piece.batch, tempfile_in(scratch)?).await {
                Err(error) if piece.is_replaceable(&error) => {
                    for part in piece.parts {
                        files.push(store.copy_batch(part, tempfile_in(scratch)?).await?);
                    }
                }
                copy => files.push(copy?),
            }
        }
        Ok((files, overlap))
    }
}

impl Row {
    fn into_dataset(self) -> Result<Dataset, StorageError> {
        let bad = |reason: &dyn ToString| StorageError::bad_row("datasets", reason.to_string());
        let change: DatasetChangeKind = self.change.parse().map_err(|e| bad(&e))?;
        let changed = FileRow {
            sha256: self.file_sha256,
            name: self.name,
            rows_accepted: self.rows_accepted,
        };
        let changed = changed.into_file()?;
        let files = (change == DatasetChangeKind::Added).then(|| changed.clone());
        Ok(Dataset {
            version: version_of(self.version)?,
            change,
            changed_file: changed.sha256,
            files: files.into_iter().collect(),
            files_total: u64::try_from(self.files).map_err(|e| bad(&e))?,
            rows: u64::try_from(self.rows).map_err(|e| bad(&e))?,
            created_at: self.created_at,
        })
    }
}

impl FileRow {
    fn into_file(self) -> Result<DatasetFile, StorageError> {
        let bad = |reason: &dyn ToString| StorageError::bad_row("data_files", reason.to_string());
        Ok(DatasetFile {
            sha256: Sha256::try_from(self.sha256.as_slice()).map_err(|e| bad(&e))?,
            name: self.name,
            rows: u64::try_from(self.rows_accepted).map_err(|e| bad(&e))?,
        })
    }
}

fn version_of(number: i64) -> Result<DatasetVersion, StorageError> {
    DatasetVersion::try_from(number).map_err(|e| StorageError::bad_row("datasets", e))
}
