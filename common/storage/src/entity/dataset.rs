//! Table `datasets`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "datasets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub rows: i64,
    pub created_at: ChronoDateTimeUtc,
    pub file_sha256: Vec<u8>,
    pub change: String,
    pub batch_sha256: Option<Vec<u8>>,
    pub may_repeat: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
