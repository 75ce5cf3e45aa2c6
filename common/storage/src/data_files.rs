//! Reading data files and their reports.

use domain::{
    Sha256,
    file::{DataFile, FileStatus},
};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::{Database, Page, PageRequest, StorageError, entity::data_file, file_row::to_domain};

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
        status: Option<FileStatus>,
        page: &PageRequest,
    ) -> Result<Page<DataFile>, StorageError> {
        let mut query = data_file::Entity::find()
            .order_by_desc(data_file::Column::FinishedAt)
            .order_by_asc(data_file::Column::Sha256)
            .limit(page.limit + 1);
        if let Some(status) = status {
            query = query.filter(data_file::Column::Status.eq(status.name()));
        }
        if let Some(key) = page
            .cursor
            .as_deref()
            .and_then(|cursor| cursor.parse::<Sha256>().ok())
        {
            query = query.filter(self.after(key).await?);
        }
        let rows = query.all(&self.connection).await?;
        let mut page = Page::of(rows, page.limit, |row| hex(&row.sha256), to_domain)?;
        self.with_decisions(&mut page.items).await?;
        Ok(page)
    }

    async fn after(&self, key: Sha256) -> Result<Condition, StorageError> {
        let key = key.as_bytes().to_vec();
        let Some(last) = data_file::Entity::find_by_id(key.clone())
            .one(&self.connection)
            .await?
        else {
            return Ok(Condition::all());
        };
        let same_moment = Condition::all()
            .add(data_file::Column::FinishedAt.eq(last.finished_at))
            .add(data_file::Column::Sha256.gt(key));
        Ok(Condition::any()
            .add(data_file::Column::FinishedAt.lt(last.finished_at))
            .add(same_moment))
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::try_from(bytes)
        .map(|digest| digest.to_string())
        .unwrap_or_default()
}
