//! The right that deleting a database may take.

use anyhow::Result;
use testkit::TestDatabase;

#[tokio::test]
async fn a_database_that_autovacuum_is_in_may_be_deleted() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let right = "SELECT pg_has_role('pg_signal_backend', 'USAGE') AS held";
    let held = database.query(right).await?;
    database.delete().await?;
    assert_eq!(held[0]["held"], true, "start the servers anew, which grants it");
    Ok(())
}
