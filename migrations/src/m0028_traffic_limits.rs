//! Traffic records that keep the beginning of long texts with their digests, and that stand for several refusals.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- A line for each text of the request's head that is not kept whole, `name sha256 bytes`; null for none.
ALTER TABLE traffic ADD COLUMN shortened text;
-- How many more requests of the same caller this record stands for, refused for their rate; null for none.
ALTER TABLE traffic ADD COLUMN repeats integer;

-- The table's columns in its order. `traffic_entry` and those before stay for older services.
CREATE TYPE traffic_entry_v2 AS (
    id uuid,
    at timestamptz,
    method text,
    path text,
    query text,
    status smallint,
    duration_us bigint,
    model_version bigint,
    client text,
    request_headers jsonb,
    request_body bytea,
    response_body bytea,
    key_id uuid,
    request_digest bytea,
    response_digest bytea,
    model_repeated boolean,
    headers text,
    shortened text,
    repeats integer
);
";

const DOWN: &str = r"
DROP TYPE traffic_entry_v2;
ALTER TABLE traffic DROP COLUMN repeats;
ALTER TABLE traffic DROP COLUMN shortened;
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
