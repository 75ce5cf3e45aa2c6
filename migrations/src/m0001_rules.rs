//! Two rules that several tables share, as triggers.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- A number column that counts from 1 without gaps: the next number, or nothing.
CREATE FUNCTION next_without_gap() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    expected bigint;
    given bigint;
BEGIN
    EXECUTE format('SELECT coalesce(max(%I), 0) + 1 FROM %I', TG_ARGV[0], TG_TABLE_NAME) INTO expected;
    given := (to_jsonb(NEW) ->> TG_ARGV[0])::bigint;
    IF given <> expected THEN
        RAISE EXCEPTION '% % of % leaves a gap or repeats: % is next', TG_ARGV[0], given, TG_TABLE_NAME, expected
            USING ERRCODE = 'unique_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $body$;

-- History: rows are added, and never changed or removed.
CREATE FUNCTION never_changes() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $body$;
";

const DOWN: &str = r"
DROP FUNCTION next_without_gap();
DROP FUNCTION never_changes();
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
