//! Table `training_runs`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "training_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub dataset_version: i64,
    pub automatic: bool,
    pub seed: i64,
    pub status: String,
    pub attempts: i32,
    pub worker: Option<String>,
    pub lease_until: Option<ChronoDateTimeUtc>,
    pub parameters: Option<Json>,
    pub metrics: Option<Json>,
    pub error: Option<String>,
    pub log: Vec<String>,
    pub started_at: ChronoDateTimeUtc,
    pub finished_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
