//! Promotions by hand, rollbacks, and freezing the champion: part of the same history.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
ALTER TABLE promotions ADD COLUMN action text NOT NULL DEFAULT 'gate'
    CONSTRAINT known_action CHECK (action IN ('gate', 'promote', 'rollback'));
ALTER TABLE promotions ALTER COLUMN action DROP DEFAULT;
CREATE INDEX promotions_by_time ON promotions (promoted_at, number);

-- The newest row says whether the gate may replace the champion; none at all: it may.
CREATE TABLE freezes (
    number bigint PRIMARY KEY CHECK (number > 0),
    frozen boolean NOT NULL,
    decided_at timestamptz NOT NULL,
    decided_by text NOT NULL,
    reason text NOT NULL
);
CREATE TRIGGER freezes_without_gap BEFORE INSERT ON freezes
    FOR EACH ROW EXECUTE FUNCTION next_without_gap('number');
CREATE TRIGGER freezes_never_change BEFORE UPDATE OR DELETE ON freezes
    FOR EACH ROW EXECUTE FUNCTION never_changes();
";

const DOWN: &str = r"
DROP TABLE freezes;
DROP INDEX promotions_by_time;
ALTER TABLE promotions DROP COLUMN action;
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
