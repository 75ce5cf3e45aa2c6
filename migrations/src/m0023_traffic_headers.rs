//! The headers of traffic as text: to read them as JSON costs Postgres as much as all the rest of a record.
//!
//! Rows that are there keep theirs in `request_headers`: to write all of them anew would hold up the table for as long.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- A line for each, `name: value`. Null where an older service writes, which fills `request_headers`.
ALTER TABLE traffic ADD COLUMN headers text;
ALTER TABLE traffic ALTER COLUMN request_headers DROP NOT NULL;

-- The table's columns in its order. `traffic_row` and `traffic_record` stay for older services.
CREATE TYPE traffic_entry AS (
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
    headers text
);
";

const DOWN: &str = r"
DROP TYPE traffic_entry;
UPDATE traffic SET request_headers = coalesce((
    SELECT jsonb_object_agg(split_part(line, ': ', 1), substr(line, strpos(line, ': ') + 2))
    FROM string_to_table(headers, E'\n') line WHERE line <> ''
), '{}') WHERE request_headers IS NULL;
ALTER TABLE traffic ALTER COLUMN request_headers SET NOT NULL;
ALTER TABLE traffic DROP COLUMN headers;
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
