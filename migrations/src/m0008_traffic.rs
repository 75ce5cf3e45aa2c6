//! Traffic records: each request and its response, as they went over the wire.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- Bodies and paths are bytes or checked text: jsonb and text refuse U+0000, and one such row would fail a batch.
CREATE TABLE traffic (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    query text,
    status smallint NOT NULL,
    duration_us bigint NOT NULL,
    model_version bigint,
    client text,
    request_headers jsonb NOT NULL,
    request_body bytea NOT NULL,
    response_body bytea NOT NULL
);
";

const DOWN: &str = r"
DROP TABLE traffic;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await.map(drop)
    }
}
