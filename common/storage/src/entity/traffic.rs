//! Table `traffic`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "traffic")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at: ChronoDateTimeUtc,
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub status: i16,
    pub duration_us: i64,
    pub model_version: Option<i64>,
    pub client: Option<String>,
    /// Before there was `headers`.
    pub request_headers: Option<Json>,
    pub request_body: Vec<u8>,
    pub response_body: Vec<u8>,
    pub key_id: Option<Uuid>,
    pub request_digest: Option<Vec<u8>>,
    pub response_digest: Option<Vec<u8>>,
    pub headers: Option<String>,
    pub shortened: Option<String>,
    pub repeats: Option<i32>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
