//! Days of traffic are not vacuumed for what is inserted.
//!
//! Records are neither changed nor deleted but with their whole day, so there is nothing to gain. But every page would be
//! marked, and so written once more, while answers wait for the disk; and a tenth more rows would be reason enough to read
//! 30,000 pages for statistics. What prevents wraparound goes on, as does vacuuming for what was deleted.

use sea_orm_migration::prelude::*;

use crate::m0015_traffic_partitions::making_days;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Statistics are made when there are twice as many rows.
const RARELY: &str = "autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 1";

/// Does this to each partition there is.
fn to_partitions(change: &str) -> String {
    format!(
        r"
DO $body$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'traffic'::regclass LOOP
        EXECUTE format('ALTER TABLE %s {change}', partition);
    END LOOP;
END $body$;
"
    )
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let with = format!("WITH ({RARELY})");
        let up = making_days(&with) + &to_partitions(&format!("SET ({RARELY})"));
        manager.get_connection().execute_unprepared(&up).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let usual = "RESET (autovacuum_vacuum_insert_threshold, autovacuum_analyze_scale_factor)";
        let down = making_days("") + &to_partitions(usual);
        manager.get_connection().execute_unprepared(&down).await.map(drop)
    }
}
