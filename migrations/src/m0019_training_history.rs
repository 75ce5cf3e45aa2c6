//! What a training run tells while it runs and afterwards: progress, every trial, and what its attempts came to.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- attempts fences and counts every start; failures and crashes are what counts against the run.
ALTER TABLE training_runs
    ADD COLUMN failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    ADD COLUMN crashes integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    -- The learner with its settings, as the run was begun with: whoever goes on with it uses the same.
    ADD COLUMN settings jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN progress jsonb;
-- What was begun before is gone on with; its kind, linear, has no settings beside its name.
UPDATE training_runs SET settings = jsonb_build_object('kind', kind);

CREATE TABLE trials (
    run_id uuid NOT NULL REFERENCES training_runs (id),
    number integer NOT NULL CHECK (number > 0),
    parameters jsonb NOT NULL,
    mae double precision NOT NULL,
    rounds integer NOT NULL CHECK (rounds >= 0),
    pruned boolean NOT NULL,
    duration_ms double precision NOT NULL CHECK (duration_ms >= 0),
    PRIMARY KEY (run_id, number)
);
";

const DOWN: &str = r"
DROP TABLE trials;
ALTER TABLE training_runs DROP COLUMN failures, DROP COLUMN crashes, DROP COLUMN settings, DROP COLUMN progress;
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
