//! When a failed run, and an event that the broker refused, may be tried again.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- By the database's clock; no claim takes the run earlier.
ALTER TABLE training_runs ADD COLUMN not_before timestamptz;

-- An event that the broker refused waits longer after each refusal, and others are published meanwhile.
ALTER TABLE events
    ADD COLUMN refusals integer NOT NULL DEFAULT 0 CHECK (refusals >= 0),
    ADD COLUMN not_before timestamptz;
CREATE INDEX events_refused ON events (not_before) WHERE published_at IS NULL AND not_before IS NOT NULL;
";

const DOWN: &str = r"
DROP INDEX events_refused;
ALTER TABLE events DROP COLUMN refusals, DROP COLUMN not_before;
ALTER TABLE training_runs DROP COLUMN not_before;
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
