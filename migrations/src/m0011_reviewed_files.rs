//! Files that wait for an operator, files taken out of the dataset, and what a file's rows look like.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
DROP TRIGGER accepted_files_never_change ON data_files;
ALTER TABLE data_files
    ADD COLUMN held text,
    ADD COLUMN withdrawn_version bigint UNIQUE REFERENCES datasets (version),
    ADD COLUMN profile jsonb,
    -- How often each value stands in its rows, to compare later files with.
    ADD COLUMN distribution jsonb,
    ADD COLUMN timings jsonb NOT NULL DEFAULT '{}',
    DROP CONSTRAINT data_files_status_check,
    DROP CONSTRAINT accepted_has_dataset,
    DROP CONSTRAINT accepted_has_batch,
    ADD CONSTRAINT status_known CHECK (status IN ('held', 'accepted', 'rejected', 'withdrawn')),
    ADD CONSTRAINT accepted_has_dataset
        CHECK ((status IN ('accepted', 'withdrawn')) = (dataset_version IS NOT NULL)),
    ADD CONSTRAINT accepted_has_batch CHECK ((status <> 'rejected') = (batch_sha256 IS NOT NULL)),
    ADD CONSTRAINT withdrawn_has_dataset CHECK ((status = 'withdrawn') = (withdrawn_version IS NOT NULL)),
    ADD CONSTRAINT withdrawn_later CHECK (withdrawn_version > dataset_version),
    ADD CONSTRAINT held_says_why CHECK (status <> 'held' OR held IS NOT NULL);

-- What was part of the dataset keeps its content; only whether it still is may change.
CREATE FUNCTION keeps_its_content() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP = 'UPDATE'
        AND NEW.status IN ('accepted', 'withdrawn')
        AND (NEW.sha256, NEW.name, NEW.bytes, NEW.rows_read, NEW.rows_accepted, NEW.batch_sha256)
            = (OLD.sha256, OLD.name, OLD.bytes, OLD.rows_read, OLD.rows_accepted, OLD.batch_sha256)
        AND (NEW.status <> OLD.status OR NEW.rows_known = OLD.rows_known)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $body$;
CREATE TRIGGER dataset_files_keep_their_content BEFORE UPDATE OR DELETE ON data_files
    FOR EACH ROW WHEN (OLD.status IN ('accepted', 'withdrawn')) EXECUTE FUNCTION keeps_its_content();
";

// Files that the older schema cannot tell apart become what they come closest to.
const DOWN: &str = r"
DROP TRIGGER dataset_files_keep_their_content ON data_files;
DROP FUNCTION keeps_its_content();
ALTER TABLE data_files
    DROP COLUMN withdrawn_version,
    DROP CONSTRAINT status_known,
    DROP CONSTRAINT accepted_has_dataset,
    DROP CONSTRAINT accepted_has_batch,
    DROP CONSTRAINT held_says_why;
UPDATE data_files SET status = 'accepted' WHERE status = 'withdrawn';
UPDATE data_files SET status = 'rejected', rejection = held, batch_sha256 = NULL WHERE status = 'held';
ALTER TABLE data_files
    DROP COLUMN held,
    DROP COLUMN profile,
    DROP COLUMN distribution,
    DROP COLUMN timings,
    ADD CONSTRAINT data_files_status_check CHECK (status IN ('accepted', 'rejected')),
    ADD CONSTRAINT accepted_has_dataset CHECK ((status = 'accepted') = (dataset_version IS NOT NULL)),
    ADD CONSTRAINT accepted_has_batch CHECK ((status = 'accepted') = (batch_sha256 IS NOT NULL));
CREATE TRIGGER accepted_files_never_change BEFORE UPDATE OR DELETE ON data_files
    FOR EACH ROW WHEN (OLD.status = 'accepted') EXECUTE FUNCTION never_changes();
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
