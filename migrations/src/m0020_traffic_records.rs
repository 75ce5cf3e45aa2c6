//! Traffic records as they are sent, one array of them being one parameter, where a column each would be fifteen; and
//! an index by which a model's answers are found.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- Not the table's own row type: a column more in the table must not keep older services from writing.
CREATE TYPE traffic_record AS (
    id uuid,
    at timestamptz,
    method text,
    path text,
    query text,
    status smallint,
    duration_us bigint,
    model_version bigint,
    key_id uuid,
    client text,
    request_headers jsonb,
    request_body bytea,
    response_body bytea,
    request_digest bytea,
    response_digest bytea
);

-- Every transaction would read these anew from the catalogue, which costs as much as some rows.
-- Partitions have them of the table, and of their own.
DO $body$
DECLARE
    found record;
BEGIN
    ALTER TABLE traffic DROP CONSTRAINT traffic_request_digest_check, DROP CONSTRAINT traffic_response_digest_check;
    FOR found IN
        SELECT conrelid::regclass AS partition, conname FROM pg_constraint
        WHERE conname IN ('traffic_request_digest_check', 'traffic_response_digest_check')
            AND conrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'traffic'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.partition, found.conname);
    END LOOP;
END $body$;

-- What tells blocks apart gives no order, so the planner went through all newer records instead.
DROP INDEX traffic_model_version;
CREATE INDEX traffic_model_version ON traffic (model_version, id) WHERE model_version IS NOT NULL;
";

const DOWN: &str = r"
DROP INDEX traffic_model_version;
CREATE INDEX traffic_model_version ON traffic USING brin (model_version) WITH (pages_per_range = 32);
DROP TYPE traffic_record;
ALTER TABLE traffic
    ADD CONSTRAINT traffic_request_digest_check CHECK (length(request_digest) = 40),
    ADD CONSTRAINT traffic_response_digest_check CHECK (length(response_digest) = 40);
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
