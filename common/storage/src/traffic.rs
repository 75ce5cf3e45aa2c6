//! Recording traffic.

use domain::traffic::TrafficRecord;
use sea_orm::{ActiveValue::Set, EntityTrait as _, sea_query::OnConflict};

use crate::{Database, StorageError, entity::traffic};

impl Database {
    /// Records one request and its response; a record that is there already is left as it is.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit; then recording it again is safe.
    pub async fn record_traffic(&self, record: TrafficRecord) -> Result<(), StorageError> {
        let once = OnConflict::column(traffic::Column::Id).do_nothing().to_owned();
        traffic::Entity::insert(to_row(record))
            .on_conflict(once)
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }
}

fn to_row(record: TrafficRecord) -> traffic::ActiveModel {
    traffic::ActiveModel {
        id: Set(record.id),
        at: Set(record.at),
        method: Set(record.method),
        path: Set(record.path),
        query: Set(record.query),
        status: Set(record.status.cast_signed()),
        duration_us: Set(record.duration_us.cast_signed()),
        model_version: Set(record.model_version.map(Into::into)),
        key_id: Set(record.key_id),
        client: Set(record.client),
        request_headers: Set(record.request_headers),
        request_body: Set(record.request_body),
        response_body: Set(record.response_body),
    }
}
