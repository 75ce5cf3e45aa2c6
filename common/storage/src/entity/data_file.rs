//! Table `data_files`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "data_files")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sha256: Vec<u8>,
    pub name: String,
    pub bytes: i64,
    pub status: String,
    pub rejection: Option<String>,
    pub rows_read: i64,
    pub rows_accepted: i64,
    pub rows_known: i64,
    pub rows_rejected: i64,
    pub reasons: Json,
    pub ignored_columns: Json,
    pub batch_sha256: Option<Vec<u8>>,
    pub dataset_version: Option<i64>,
    pub received_at: ChronoDateTimeUtc,
    pub finished_at: ChronoDateTimeUtc,
    pub held: Option<String>,
    pub withdrawn_version: Option<i64>,
    pub profile: Option<Json>,
    pub distribution: Option<Json>,
    pub timings: Json,
    pub hashes_sha256: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
