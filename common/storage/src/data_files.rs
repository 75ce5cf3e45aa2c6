//! Reading data files and their reports.

use domain::{
    DatasetVersion, Sha256,
    file::{DataFile, RowCounts},
};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::{Database, Page, PageRequest, StorageError, entity::data_file};

const TABLE: &str = "data_files";

impl Database {
    /// The data file with this content, if it was judged.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn data_file(&self, sha256: Sha256) -> Result<Option<DataFile>, StorageError> {
        let key = sha256.as_bytes().to_vec();
        let row = data_file::Entity::find_by_id(key).one(&self.connection).await?;
        row.map(to_domain).transpose()
    }

    /// Data files, the last judged first.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn data_files(&self, page: &PageRequest) -> Result<Page<DataFile>, StorageError> {
        let mut query = data_file::Entity::find()
            .order_by_desc(data_file::Column::FinishedAt)
            .order_by_asc(data_file::Column::Sha256)
            .limit(page.limit + 1);
        if let Some(key) = page
            .cursor
            .as_deref()
            .and_then(|cursor| cursor.parse::<Sha256>().ok())
        {
            query = query.filter(self.after(key).await?);
        }
        let rows = query.all(&self.connection).await?;
        Page::of(rows, page.limit, |row| hex(&row.sha256), to_domain)
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

/// A row as the domain knows it.
pub(crate) fn to_domain(row: data_file::Model) -> Result<DataFile, StorageError> {
    let bad = |reason: &dyn ToString| StorageError::bad_row(TABLE, reason.to_string());
    let count = |number: i64| u64::try_from(number).map_err(|e| bad(&e));
    Ok(DataFile {
        sha256: Sha256::try_from(row.sha256.as_slice()).map_err(|e| bad(&e))?,
        name: row.name,
        bytes: count(row.bytes)?,
        status: row.status.parse().map_err(|e| bad(&e))?,
        rejection: row.rejection,
        rows: RowCounts {
            rows_read: count(row.rows_read)?,
            rows_accepted: count(row.rows_accepted)?,
            rows_known: count(row.rows_known)?,
            rows_rejected: count(row.rows_rejected)?,
        },
        reasons: serde_json::from_value(row.reasons).map_err(|e| bad(&e))?,
        ignored_columns: serde_json::from_value(row.ignored_columns).map_err(|e| bad(&e))?,
        dataset_version: row
            .dataset_version
            .map(DatasetVersion::try_from)
            .transpose()
            .map_err(|e| bad(&e))?,
        received_at: row.received_at,
        finished_at: row.finished_at,
    })
}
