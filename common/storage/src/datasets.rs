//! Reading dataset versions: what they are made of, and their samples.

use domain::{
    DatasetVersion, Sample, Sha256,
    dataset::{Dataset, DatasetFile},
};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::{
    Database, DatasetReader, During, Page, PageRequest, StorageError, Store,
    database::sql,
    entity::{data_file, dataset},
    file_row::Kept,
    listing::Listing,
};

/// What a dataset version changed.
#[derive(Debug, Clone)]
pub enum DatasetChange {
    /// A file came in.
    Added(Box<Kept>),
    /// A file was withdrawn.
    Removed,
}

impl Database {
    /// Dataset versions, newest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn datasets(&self, during: During, page: &PageRequest) -> Result<Page<Dataset>, StorageError> {
        let listing = Listing::of("SELECT * FROM datasets")
            .when("version < ?", page.number())
            .during("created_at", during);
        let rows = dataset::Entity::find()
            .from_raw_sql(listing.ordered("version DESC", page))
            .all(&self.connection)
            .await?;
        let page = Page::of(rows, page.limit, |row| row.version.to_string(), Ok)?;
        let mut items = Vec::with_capacity(page.items.len());
        for row in page.items {
            items.push(self.with_files(row).await?);
        }
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    }

    /// One dataset version.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn dataset(&self, version: DatasetVersion) -> Result<Option<Dataset>, StorageError> {
        let row = dataset::Entity::find_by_id(i64::from(version))
            .one(&self.connection)
            .await?;
        match row {
            Some(row) => self.with_files(row).await.map(Some),
            None => Ok(None),
        }
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
        let rows = self.members(version).await?;
        rows.into_iter().map(file_of).collect()
    }

    /// The files of a dataset version, in its order, and what is kept of each.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn contents(&self, version: DatasetVersion) -> Result<Vec<(Sha256, Kept)>, StorageError> {
        let rows = self.members(version).await?;
        let content = |row: data_file::Model| Ok((digest_of(row.sha256.clone())?, kept_of(row)?));
        rows.into_iter().map(content).collect()
    }

    /// What the versions after `after` (or all) up to `to` changed, in order.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn changes(
        &self,
        after: Option<DatasetVersion>,
        to: DatasetVersion,
    ) -> Result<Vec<DatasetChange>, StorageError> {
        let versions = dataset::Entity::find()
            .filter(dataset::Column::Version.gt(after.map_or(0, i64::from)))
            .filter(dataset::Column::Version.lte(i64::from(to)))
            .order_by_asc(dataset::Column::Version)
            .all(&self.connection)
            .await?;
        let mut changes = Vec::with_capacity(versions.len());
        for version in versions {
            let file = data_file::Entity::find_by_id(version.file_sha256)
                .one(&self.connection)
                .await?;
            let file = file.ok_or_else(|| StorageError::bad_row("datasets", "its file is missing"))?;
            changes.push(change_of(&version.change, file)?);
        }
        Ok(changes)
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
    /// identical samples once, at their first place.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn read_dataset(
        &self,
        store: &Store,
        version: DatasetVersion,
    ) -> Result<DatasetReader, StorageError> {
        let contents = self.contents(version).await?;
        let batches = contents.into_iter().map(|(_, kept)| kept.batch).collect();
        Ok(DatasetReader::new(store.clone(), batches))
    }

    async fn with_files(&self, row: dataset::Model) -> Result<Dataset, StorageError> {
        let version = version_of(row.version)?;
        let files = self.dataset_files(version).await?;
        let rows = u64::try_from(row.rows).map_err(|e| StorageError::bad_row("datasets", e))?;
        Ok(Dataset {
            version,
            files,
            rows,
            created_at: row.created_at,
        })
    }

    /// The files whose last change up to `version` added them.
    async fn members(&self, version: DatasetVersion) -> Result<Vec<data_file::Model>, StorageError> {
        let statement = sql(
            "SELECT f.* FROM (SELECT DISTINCT ON (file_sha256) * FROM datasets WHERE version <= $1 \
             ORDER BY file_sha256, version DESC) d JOIN data_files f ON f.sha256 = d.file_sha256 \
             WHERE d.change = 'added' ORDER BY d.version",
            [i64::from(version).into()],
        );
        let files = data_file::Entity::find().from_raw_sql(statement);
        Ok(files.all(&self.connection).await?)
    }
}

fn change_of(change: &str, file: data_file::Model) -> Result<DatasetChange, StorageError> {
    match change {
        "added" => kept_of(file).map(|kept| DatasetChange::Added(Box::new(kept))),
        _ => Ok(DatasetChange::Removed),
    }
}

/// Files from before distributions were kept have an empty one.
fn kept_of(file: data_file::Model) -> Result<Kept, StorageError> {
    let distribution = file.distribution.map(serde_json::from_value).transpose();
    Ok(Kept {
        batch: digest_of(file.batch_sha256.unwrap_or_default())?,
        distribution: distribution
            .map_err(|e| StorageError::bad_row("data_files", e))?
            .unwrap_or_default(),
    })
}

fn version_of(number: i64) -> Result<DatasetVersion, StorageError> {
    DatasetVersion::try_from(number).map_err(|e| StorageError::bad_row("datasets", e))
}

fn digest_of(bytes: Vec<u8>) -> Result<Sha256, StorageError> {
    Sha256::try_from(bytes.as_slice()).map_err(|e| StorageError::bad_row("data_files", e))
}

fn file_of(row: data_file::Model) -> Result<DatasetFile, StorageError> {
    Ok(DatasetFile {
        sha256: digest_of(row.sha256)?,
        name: row.name,
        rows: u64::try_from(row.rows_accepted).map_err(|e| StorageError::bad_row("data_files", e))?,
    })
}
