//! Reading data files and their reports.

use domain::{
    DatasetVersion, Sha256,
    file::{DataFile, FileStatus},
};
use sea_orm::{ConnectionTrait as _, EntityTrait as _};

use crate::{
    Database, During, Page, PageRequest, StorageError, database::sql, entity::data_file, file_row::to_domain,
    listing::Listing, page::place,
};

/// Which data files are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileFilter {
    /// Of this status.
    pub status: Option<FileStatus>,
    /// Judged then.
    pub during: During,
}

/// Where the object store has the rows of an accepted or held file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRows {
    /// The rows.
    pub batch: Sha256,
    /// Whether the batch may have rows of others as well.
    pub overlaps: bool,
    /// Their hashes; none for a file from before they were kept.
    pub hashes: Option<Sha256>,
    /// The dataset version before the one that added the file; none when there was none, or the file is held.
    pub before: Option<DatasetVersion>,
}

impl Database {
    /// Where the object store has the rows of a file; none unless it is accepted or held.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn stored_rows(&self, sha256: Sha256) -> Result<Option<StoredRows>, StorageError> {
        let query = "SELECT coalesce(d.batch_sha256, f.batch_sha256) AS batch, coalesce(d.may_repeat, true) AS may_repeat, \
                     f.hashes_sha256 AS hashes, d.version \
                     FROM data_files f LEFT JOIN datasets d ON d.version = f.dataset_version \
                     WHERE f.sha256 = $1 AND f.status IN ('accepted', 'held')";
        let query = sql(query, [sha256.as_bytes().to_vec().into()]);
        let Some(row) = self.connection.query_one_raw(query).await? else {
            return Ok(None);
        };
        let digest = |bytes: Vec<u8>| {
            Sha256::try_from(bytes.as_slice()).map_err(|e| StorageError::bad_row("data_files", e))
        };
        let hashes: Option<Vec<u8>> = row.try_get("", "hashes")?;
        let version: Option<i64> = row.try_get("", "version")?;
        Ok(Some(StoredRows {
            batch: digest(row.try_get("", "batch")?)?,
            overlaps: row.try_get("", "may_repeat")?,
            hashes: hashes.map(digest).transpose()?,
            before: version.and_then(|version| DatasetVersion::try_from(version - 1).ok()),
        }))
    }

    /// The data file with this content, if it was judged.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn data_file(&self, sha256: Sha256) -> Result<Option<DataFile>, StorageError> {
        let key = sha256.as_bytes().to_vec();
        let row = data_file::Entity::find_by_id(key).one(&self.connection).await?;
        let mut files: Vec<_> = row.map(to_domain).transpose()?.into_iter().collect();
        self.with_decisions(&mut files).await?;
        Ok(files.pop())
    }

    /// Data files, the last judged first; of one status, or of all.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn data_files(
        &self,
        filter: FileFilter,
        page: &PageRequest,
    ) -> Result<Page<DataFile>, StorageError> {
        let mut listing = Listing::of("SELECT * FROM data_files")
            .when("status = ?", filter.status.map(FileStatus::name))
            .during("finished_at", filter.during);
        if let Some((at, sha256)) = page.place::<Sha256>() {
            let earlier =
                format!("(finished_at < ? OR finished_at = ? AND sha256 > decode('{sha256}', 'hex'))");
            listing = listing.when(&earlier, Some(at));
        }
        let rows = data_file::Entity::find()
            .from_raw_sql(listing.ordered("finished_at DESC, sha256", page))
            .all(&self.connection)
            .await?;
        let cursor = |row: &data_file::Model| place(row.finished_at, hex(&row.sha256));
        let mut page = Page::of(rows, page.limit, cursor, to_domain)?;
        self.with_decisions(&mut page.items).await?;
        Ok(page)
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::try_from(bytes)
        .map(|digest| digest.to_string())
        .unwrap_or_default()
}
