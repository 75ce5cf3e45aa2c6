//! Dataset versions: whole numbers without gaps that never change.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- Which files a version is made of follows from data_files.dataset_version: every accepted one up to it.
CREATE TABLE datasets (
    version bigint PRIMARY KEY CHECK (version > 0),
    rows bigint NOT NULL CHECK (rows >= 0),
    created_at timestamptz NOT NULL
);
CREATE TRIGGER datasets_without_gap BEFORE INSERT ON datasets
    FOR EACH ROW EXECUTE FUNCTION next_without_gap('version');
CREATE TRIGGER datasets_never_change BEFORE UPDATE OR DELETE ON datasets
    FOR EACH ROW EXECUTE FUNCTION never_changes();
";

const DOWN: &str = r"
DROP TABLE datasets;
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
