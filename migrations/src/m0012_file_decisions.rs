//! What operators decided on data files; intake carries it out.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
CREATE TABLE file_decisions (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256 bytea NOT NULL REFERENCES data_files (sha256),
    decision text NOT NULL CHECK (decision IN ('accept', 'reject', 'withdraw')),
    reason text NOT NULL CHECK (reason <> ''),
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    applied_at timestamptz
);
CREATE UNIQUE INDEX one_open_decision ON file_decisions (sha256) WHERE applied_at IS NULL;
CREATE INDEX file_decisions_by_file ON file_decisions (sha256, seq DESC);

CREATE FUNCTION only_applied_once() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.applied_at IS NULL
        AND (NEW.seq, NEW.sha256, NEW.decision, NEW.reason, NEW.decided_by, NEW.decided_at)
            = (OLD.seq, OLD.sha256, OLD.decision, OLD.reason, OLD.decided_by, OLD.decided_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $body$;
CREATE TRIGGER file_decisions_never_change BEFORE UPDATE OR DELETE ON file_decisions
    FOR EACH ROW EXECUTE FUNCTION only_applied_once();
";

const DOWN: &str = r"
DROP TABLE file_decisions;
DROP FUNCTION only_applied_once();
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
