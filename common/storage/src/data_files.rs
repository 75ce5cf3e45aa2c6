//! Reading data files and their reports.

use domain::{
    Sha256,
    file::{DataFile, FileStatus},
};
use sea_orm::EntityTrait as _;

use crate::{
    Database, During, Page, PageRequest, StorageError, entity::data_file, file_row::to_domain,
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

impl Database {
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
