//! Model versions: one artifact a successful run.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
CREATE TABLE models (
    version bigint PRIMARY KEY CHECK (version > 0),
    run_id uuid NOT NULL UNIQUE REFERENCES training_runs (id),
    artifact_sha256 bytea NOT NULL CHECK (length(artifact_sha256) = 32),
    artifact_bytes bigint NOT NULL CHECK (artifact_bytes > 0),
    parameters jsonb NOT NULL,
    metrics jsonb NOT NULL,
    verdict jsonb NOT NULL,
    code_version text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TRIGGER models_without_gap BEFORE INSERT ON models
    FOR EACH ROW EXECUTE FUNCTION next_without_gap('version');
CREATE TRIGGER models_never_change BEFORE UPDATE OR DELETE ON models
    FOR EACH ROW EXECUTE FUNCTION never_changes();
";

const DOWN: &str = r"
DROP TABLE models;
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
