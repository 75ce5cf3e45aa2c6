//! Promotions: one sequence; the last one names the champion.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
CREATE TABLE promotions (
    number bigint PRIMARY KEY CHECK (number > 0),
    model_version bigint NOT NULL REFERENCES models (version),
    promoted_at timestamptz NOT NULL,
    promoted_by text NOT NULL,
    reason text NOT NULL
);
CREATE TRIGGER promotions_without_gap BEFORE INSERT ON promotions
    FOR EACH ROW EXECUTE FUNCTION next_without_gap('number');
CREATE TRIGGER promotions_never_change BEFORE UPDATE OR DELETE ON promotions
    FOR EACH ROW EXECUTE FUNCTION never_changes();
";

const DOWN: &str = r"
DROP TABLE promotions;
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
