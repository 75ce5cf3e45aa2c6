//! Data files, named by the SHA-256 of their content, with their reports.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
CREATE TABLE data_files (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    name text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes >= 0),
    status text NOT NULL CHECK (status IN ('accepted', 'rejected')),
    rejection text,
    rows_read bigint NOT NULL CHECK (rows_read >= 0),
    rows_accepted bigint NOT NULL CHECK (rows_accepted >= 0),
    rows_known bigint NOT NULL CHECK (rows_known BETWEEN 0 AND rows_accepted),
    rows_rejected bigint NOT NULL CHECK (rows_rejected >= 0),
    reasons jsonb NOT NULL,
    ignored_columns jsonb NOT NULL,
    -- The accepted rows, as Parquet in the object store.
    batch_sha256 bytea CHECK (length(batch_sha256) = 32),
    dataset_version bigint UNIQUE REFERENCES datasets (version),
    received_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    CONSTRAINT rows_add_up CHECK (rows_read = rows_accepted + rows_rejected),
    CONSTRAINT accepted_has_dataset CHECK ((status = 'accepted') = (dataset_version IS NOT NULL)),
    CONSTRAINT accepted_has_batch CHECK ((status = 'accepted') = (batch_sha256 IS NOT NULL)),
    CONSTRAINT rejected_says_why CHECK ((status = 'rejected') = (rejection IS NOT NULL))
);
CREATE INDEX data_files_by_time ON data_files (finished_at DESC, sha256);

-- What became part of the dataset stays as it was; only a rejected file may be judged anew.
CREATE TRIGGER accepted_files_never_change BEFORE UPDATE OR DELETE ON data_files
    FOR EACH ROW WHEN (OLD.status = 'accepted') EXECUTE FUNCTION never_changes();
";

const DOWN: &str = r"
DROP TABLE data_files;
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
