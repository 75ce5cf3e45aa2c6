//! Traffic by days: partitions by ranges of the id, whose first 48 bits are the millisecond.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const TABLE: &str = r"
ALTER TABLE traffic RENAME TO traffic_before;
ALTER TABLE traffic_before RENAME CONSTRAINT traffic_pkey TO traffic_before_pkey;

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
    response_body bytea NOT NULL,
    key_id uuid,
    -- The SHA-256 of a body of which not all is kept, and its length as eight bytes.
    request_digest bytea CHECK (length(request_digest) = 40),
    response_digest bytea CHECK (length(response_digest) = 40)
) PARTITION BY RANGE (id);

-- Whatever belongs to no day: ids of another version, and days for which nobody made a partition.
CREATE TABLE traffic_default PARTITION OF traffic DEFAULT;

-- Where a day's ids begin.
CREATE FUNCTION traffic_day_begins(day date) RETURNS uuid LANGUAGE sql STABLE AS $body$
    SELECT rpad(lpad(to_hex((extract(epoch FROM day::timestamp) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$body$;
";

/// The function that makes a day's partition, whose table is made `with` these options.
pub(super) fn making_days(with: &str) -> String {
    format!(
        r"
-- Makes a day's partition unless it is there; rows of that day in the default partition move into it.
CREATE OR REPLACE FUNCTION make_traffic_day(day date) RETURNS boolean LANGUAGE plpgsql AS $body$
DECLARE
    name text := 'traffic_' || to_char(day, 'YYYYMMDD');
    low uuid := traffic_day_begins(day);
    high uuid := traffic_day_begins(day + 1);
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(x'6c6170690015'::bigint);
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE traffic INCLUDING DEFAULTS INCLUDING CONSTRAINTS) {with}', name);
    -- Nothing may come into the default partition between the move and the attachment.
    LOCK TABLE traffic_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH moved AS (DELETE FROM traffic_default WHERE id >= %L AND id < %L RETURNING *)
        INSERT INTO %I SELECT * FROM moved', low, high, name);
    EXECUTE format('ALTER TABLE traffic ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, low, high);
    RETURN true;
END $body$;
"
    )
}

const ROWS: &str = r"
SELECT make_traffic_day(day::date)
    FROM generate_series((now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + 7, interval '1 day') day;
SELECT make_traffic_day(day) FROM (
    SELECT DISTINCT (to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
        AT TIME ZONE 'UTC')::date AS day
    FROM traffic_before WHERE substr(id::text, 15, 1) = '7') days;

INSERT INTO traffic (id, at, method, path, query, status, duration_us, model_version, client, request_headers,
        request_body, response_body, key_id)
    SELECT id, at, method, path, query, status, duration_us, model_version, client, request_headers,
        request_body, response_body, key_id FROM traffic_before;
DROP TABLE traffic_before;

-- The newest are found by the primary key. These serve rare answers and rare paths, and cost a prediction that
-- was answered nothing. (Part of the path, for an entry of an index has at most 2,704 bytes.)
CREATE INDEX traffic_not_ok ON traffic (status, id) WHERE status <> 200;
CREATE INDEX traffic_rare_path ON traffic (left(path, 200), id) WHERE path <> '/v1/predictions';
-- Versions come one after another, so their rows lie together.
CREATE INDEX traffic_model_version ON traffic USING brin (model_version) WITH (pages_per_range = 32);
";

const DOWN: &str = r"
CREATE TABLE traffic_before (
    id uuid CONSTRAINT traffic_before_pkey PRIMARY KEY,
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
    response_body bytea NOT NULL,
    key_id uuid
);
INSERT INTO traffic_before SELECT id, at, method, path, query, status, duration_us, model_version, client,
    request_headers, request_body, response_body, key_id FROM traffic;
DROP TABLE traffic;
DROP FUNCTION make_traffic_day(date);
DROP FUNCTION traffic_day_begins(date);
ALTER TABLE traffic_before RENAME TO traffic;
ALTER TABLE traffic RENAME CONSTRAINT traffic_before_pkey TO traffic_pkey;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let up = TABLE.to_owned() + &making_days("") + ROWS;
        manager.get_connection().execute_unprepared(&up).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await.map(drop)
    }
}
