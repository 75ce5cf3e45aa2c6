//! A model's answers are found without an entry of the index for each.
//!
//! The index holds the first record that a transaction has of a model and a slot of a quarter of a second. The others are
//! found by their ids: whoever looks for a model's records looks for its slots, and for ids within these.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- Whether the transaction that wrote it had a record before it that was answered by the same model and whose id has the
-- same first 40 bits. Null, as all that older services write: it has to be found by itself.
ALTER TABLE traffic ADD COLUMN model_repeated boolean;

-- What `traffic_record` is, for older services, and that.
CREATE TYPE traffic_row AS (
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
    model_repeated boolean
);

DROP INDEX traffic_model_version;
CREATE INDEX traffic_model_version ON traffic (model_version, id)
    WHERE model_version IS NOT NULL AND model_repeated IS NOT TRUE;

-- The slot of a quarter of a second (256 ms) that an id belongs to: its least and its greatest id.
CREATE FUNCTION traffic_slot_first(id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
    SELECT (left(id::text, 11) || '00-0000-0000-000000000000')::uuid
$body$;
CREATE FUNCTION traffic_slot_last(id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
    SELECT (left(id::text, 11) || 'ff-ffff-ffff-ffffffffffff')::uuid
$body$;
";

const DOWN: &str = r"
DROP FUNCTION traffic_slot_first(uuid);
DROP FUNCTION traffic_slot_last(uuid);
DROP INDEX traffic_model_version;
DROP TYPE traffic_row;
ALTER TABLE traffic DROP COLUMN model_repeated;
CREATE INDEX traffic_model_version ON traffic (model_version, id) WHERE model_version IS NOT NULL;
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
