//! What each dataset version changed: one file added, or one removed.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
ALTER TABLE datasets ADD COLUMN file_sha256 bytea, ADD COLUMN change text;
ALTER TABLE datasets DISABLE TRIGGER datasets_never_change;
UPDATE datasets SET file_sha256 = data_files.sha256, change = 'added'
    FROM data_files WHERE data_files.dataset_version = datasets.version;
ALTER TABLE datasets ENABLE TRIGGER datasets_never_change;
ALTER TABLE datasets
    ALTER COLUMN file_sha256 SET NOT NULL,
    ALTER COLUMN change SET NOT NULL,
    ADD CONSTRAINT change_known CHECK (change IN ('added', 'removed')),
    -- The version and the file's row name each other; both are there at the commit.
    ADD CONSTRAINT change_of_file FOREIGN KEY (file_sha256) REFERENCES data_files (sha256)
        DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX datasets_by_file ON datasets (file_sha256, version DESC);
";

const DOWN: &str = r"
DROP INDEX datasets_by_file;
ALTER TABLE datasets DROP COLUMN file_sha256, DROP COLUMN change;
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
