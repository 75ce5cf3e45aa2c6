//! A working key's name is its own: what is decided with a key is on record by that name.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r"
-- Of working keys that share a name, the newest keeps it; the others get their id added.
UPDATE api_keys older SET name = older.name || ' ' || older.id
WHERE older.revoked_at IS NULL AND EXISTS (
    SELECT FROM api_keys newer
    WHERE newer.revoked_at IS NULL AND newer.name = older.name
        AND (newer.created_at, newer.id) > (older.created_at, older.id));
CREATE UNIQUE INDEX one_working_key_of_a_name ON api_keys (name) WHERE revoked_at IS NULL;
";

const DOWN: &str = r"
DROP INDEX one_working_key_of_a_name;
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
