//! Table `file_decisions`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "file_decisions")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    pub sha256: Vec<u8>,
    pub decision: String,
    pub reason: String,
    pub decided_by: String,
    pub decided_at: ChronoDateTimeUtc,
    pub applied_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
