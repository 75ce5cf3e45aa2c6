//! A dataset version never changes, whoever commits when.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{World, in_world};

use crate::data::diamonds;

/// Commits that add a dataset version wait, at the very end, for a lock that the test holds.
pub const PAUSE_COMMITS: &str = "
CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON datasets DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_for_test();";

async fn files_of(world: &World, version: i64) -> Result<Vec<Value>> {
    let query = "SELECT name FROM data_files WHERE dataset_version <= ";
    world
        .database
        .query(&format!("{query} {version} ORDER BY dataset_version"))
        .await
}

#[tokio::test]
async fn a_version_seen_once_stays_as_it_was_while_another_commit_is_paused() -> Result<()> {
    in_world(|world| async move {
        world.database.execute(PAUSE_COMMITS).await?;
        let pause = world.database.begin().await?;
        pause.execute("SELECT pg_advisory_xact_lock(7)").await?;
        let _one = world.start("ingest", &[]).await?;
        let _two = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(60, 1))?;
        world.drop_file("b.csv", &diamonds(60, 2))?;
        // Both are at it: one in its commit, the other behind it.
        let waiting = "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event = 'advisory' AND application_name = 'ingest'";
        world.becomes(waiting, 2).await?;
        assert_eq!(
            world.database.number("SELECT count(*) FROM datasets").await?,
            0,
            "none is seen before the first"
        );
        pause.rollback().await?;

        world.becomes("SELECT count(*) FROM datasets", 2).await?;
        let (first, second) = (files_of(&world, 1).await?, files_of(&world, 2).await?);
        assert_eq!((first.len(), second.len()), (1, 2));
        assert_eq!(second[0], first[0]);
        world.report("accepted", "a.csv").await?;
        world.report("accepted", "b.csv").await?;
        let versions = world
            .database
            .query("SELECT version FROM datasets ORDER BY version")
            .await?;
        assert_eq!(versions, [json!({"version": 1}), json!({"version": 2})]);
        Ok(())
    })
    .await
}
