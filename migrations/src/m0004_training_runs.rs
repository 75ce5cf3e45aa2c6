//! Training runs: attempts, leases and results.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
CREATE TABLE training_runs (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    dataset_version bigint NOT NULL REFERENCES datasets (version),
    automatic boolean NOT NULL,
    seed bigint NOT NULL CHECK (seed >= 0),
    status text NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'superseded')),
    attempts integer NOT NULL CHECK (attempts >= 0),
    worker text,
    lease_until timestamptz,
    parameters jsonb,
    metrics jsonb,
    error text,
    log text[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT running_has_lease CHECK ((status = 'running') = (lease_until IS NOT NULL)),
    CONSTRAINT ended_has_time CHECK ((status IN ('succeeded', 'failed', 'superseded')) = (finished_at IS NOT NULL)),
    CONSTRAINT success_has_metrics CHECK (status <> 'succeeded' OR (metrics IS NOT NULL AND parameters IS NOT NULL)),
    CONSTRAINT failure_has_error CHECK (status <> 'failed' OR error IS NOT NULL)
);
-- At most one automatic run of a kind on a dataset version is waiting, at work or done.
CREATE UNIQUE INDEX one_automatic_run ON training_runs (dataset_version, kind)
    WHERE automatic AND status IN ('queued', 'running', 'succeeded');
CREATE INDEX training_runs_by_time ON training_runs (started_at DESC, id);
";

const DOWN: &str = r"
DROP TABLE training_runs;
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
