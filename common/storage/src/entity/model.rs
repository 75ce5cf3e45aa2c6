//! Table `models`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "models")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub run_id: Uuid,
    pub artifact_sha256: Vec<u8>,
    pub artifact_bytes: i64,
    pub parameters: Json,
    pub metrics: Json,
    pub verdict: Json,
    pub code_version: String,
    pub created_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
