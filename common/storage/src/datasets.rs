//! Reading dataset versions: what they are made of, and their samples.

use std::collections::HashSet;

use domain::{
    DatasetVersion, Sample, SampleHash, Sha256,
    dataset::{Dataset, DatasetFile},
};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::{
    Database, Page, PageRequest, StorageError, Store, batch,
    entity::{data_file, dataset},
};

impl Database {
    /// Dataset versions, newest first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn datasets(&self, page: &PageRequest) -> Result<Page<Dataset>, StorageError> {
        let mut query = dataset::Entity::find()
            .order_by_desc(dataset::Column::Version)
            .limit(page.limit + 1);
        if let Some(last) = page
            .cursor
            .as_deref()
            .and_then(|cursor| cursor.parse::<i64>().ok())
        {
            query = query.filter(dataset::Column::Version.lt(last));
        }
        let rows = query.all(&self.connection).await?;
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
        let rows = self.accepted(None, version).await?;
        rows.into_iter().map(file_of).collect()
    }

    /// The batches that came after version `after` (or all) up to version `to`, in order.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn batches(
        &self,
        after: Option<DatasetVersion>,
        to: DatasetVersion,
    ) -> Result<Vec<Sha256>, StorageError> {
        let rows = self.accepted(after, to).await?;
        rows.into_iter()
            .map(|row| digest_of(row.batch_sha256.unwrap_or_default()))
            .collect()
    }

    /// Every sample of a dataset version, in its order: files as accepted, rows as they stand in
    /// them, identical samples once, at their first place.
    ///
    /// # Errors
    ///
    /// When Postgres or the object store does not answer, or a batch is missing or damaged.
    pub async fn samples(&self, store: &Store, version: DatasetVersion) -> Result<Vec<Sample>, StorageError> {
        let mut seen = HashSet::new();
        let mut samples = Vec::new();
        for digest in self.batches(None, version).await? {
            let bytes = store.batch(digest).await?;
            let batch = tokio::task::spawn_blocking(move || batch::read(bytes)).await;
            let batch = batch.map_err(|_| StorageError::BadBatch("reading it panicked".to_owned()))??;
            samples.extend(
                batch
                    .into_iter()
                    .filter(|sample| seen.insert(SampleHash::of(sample))),
            );
        }
        Ok(samples)
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

    async fn accepted(
        &self,
        after: Option<DatasetVersion>,
        to: DatasetVersion,
    ) -> Result<Vec<data_file::Model>, StorageError> {
        let after = after.map_or(0, i64::from);
        let files = data_file::Entity::find()
            .filter(data_file::Column::DatasetVersion.gt(after))
            .filter(data_file::Column::DatasetVersion.lte(i64::from(to)))
            .order_by_asc(data_file::Column::DatasetVersion);
        Ok(files.all(&self.connection).await?)
    }
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
