//! The schema over sample rows: up, down and up again; and what it refuses.

use anyhow::{Context as _, Result, bail};
use migrations::{Migrator, MigratorTrait as _};
use testkit::TestDatabase;

/// Three dataset versions, an accepted, a withdrawn and a held file, a decision, a successful run, its model, its promotion, an event, traffic and a key.
const SAMPLE_ROWS: &str = "
BEGIN;
INSERT INTO datasets VALUES (1, 2, now(), decode(repeat('01', 32), 'hex'), 'added');
INSERT INTO data_files VALUES (decode(repeat('01', 32), 'hex'), 'a.csv', 10, 'accepted', NULL, 3, 2, 0, 1, '[]', '[]',
    decode(repeat('02', 32), 'hex'), 1, now(), now());
INSERT INTO datasets VALUES (2, 3, now(), decode(repeat('05', 32), 'hex'), 'added'),
    (3, 2, now(), decode(repeat('05', 32), 'hex'), 'removed');
INSERT INTO data_files VALUES (decode(repeat('05', 32), 'hex'), 'b.csv', 10, 'withdrawn', NULL, 1, 1, 0, 0, '[]', '[]',
    decode(repeat('06', 32), 'hex'), 2, now(), now(), NULL, 3, '{}', '{}', '{}');
INSERT INTO data_files VALUES (decode(repeat('07', 32), 'hex'), 'c.csv', 10, 'held', NULL, 1, 1, 0, 0, '[]', '[]',
    decode(repeat('08', 32), 'hex'), NULL, now(), now(), 'drifted', NULL, '{}', '{}', '{}');
COMMIT;
INSERT INTO file_decisions (sha256, decision, reason, decided_by, decided_at)
    VALUES (decode(repeat('07', 32), 'hex'), 'accept', 'new shop', 'local', now());
INSERT INTO training_runs (id, kind, dataset_version, automatic, seed, status, attempts, parameters, metrics, started_at, finished_at)
    VALUES ('00000000-0000-0000-0000-000000000001', 'linear', 1, true, 42, 'succeeded', 1, '{}', '{}', now(), now());
INSERT INTO models VALUES (1, '00000000-0000-0000-0000-000000000001', decode(repeat('03', 32), 'hex'), 5, '{}', '{}', '{}', '0', now());
INSERT INTO promotions VALUES (1, 1, now(), 'gate', 'first model', 'gate');
INSERT INTO freezes VALUES (1, true, now(), 'operator', 'holidays');
INSERT INTO trials VALUES ('00000000-0000-0000-0000-000000000001', 1, '{}', 300, 100, false, 40);
INSERT INTO events (id, type, must_route, body, created_at)
    VALUES ('00000000-0000-0000-0000-000000000002', 'dataset.ready', true, '{}', now());
INSERT INTO traffic VALUES ('00000000-0000-0000-0000-000000000003', now(), 'GET', '/', NULL, 200, 1, 1, NULL, '{}', '', '\\x00');
INSERT INTO api_keys VALUES ('00000000-0000-0000-0000-000000000004', 'web', 'client', decode(repeat('04', 32), 'hex'), now(), NULL);
";

/// Runs a test over the sample rows, and deletes its database whatever it said.
async fn over_sample_rows<F: Future<Output = Result<()>>>(
    test: impl FnOnce(TestDatabase) -> F,
) -> Result<()> {
    let database = TestDatabase::migrated().await?;
    database.execute(SAMPLE_ROWS).await?;
    let result = test(database.clone()).await;
    database.delete().await?;
    result
}

async fn refused(database: &TestDatabase, sql: &str, because: &str) -> Result<()> {
    let Err(error) = database.execute(sql).await else {
        bail!("{sql}\nwas not refused");
    };
    let error = error.to_string();
    assert!(
        error.contains(because),
        "{sql}\nwas refused because: {error}\nand not because of: {because}"
    );
    Ok(())
}

#[tokio::test]
async fn the_schema_goes_down_with_rows_in_it_and_comes_up_again() -> Result<()> {
    over_sample_rows(|database| async move {
        for step in 0..Migrator::migrations().len() {
            Migrator::down(database.connection(), Some(1)).await?;
            let left = database.number("SELECT count(*) FROM seaql_migrations").await?;
            assert_eq!(usize::try_from(left)?, Migrator::migrations().len() - step - 1);
        }
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(
            database.number(tables).await?,
            1,
            "only the list of migrations is left"
        );
        Migrator::up(database.connection(), None).await?;
        database.execute(SAMPLE_ROWS).await
    })
    .await
}

/// How many of the partitions of traffic would be vacuumed for what is inserted, or get new statistics before they have
/// twice as many rows.
async fn vacuumed_partitions(database: &TestDatabase) -> Result<i64> {
    let vacuumed = "SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid \
        WHERE inhparent = 'traffic'::regclass \
        AND NOT coalesce(reloptions, '{}') \
            @> '{autovacuum_vacuum_insert_threshold=-1,autovacuum_analyze_scale_factor=1}'";
    database.number(vacuumed).await
}

#[tokio::test]
async fn days_of_traffic_are_not_vacuumed_for_what_is_inserted() -> Result<()> {
    over_sample_rows(|database| async move {
        let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'traffic'::regclass";
        let partitions = database.number(partitions).await?;
        assert_eq!(vacuumed_partitions(&database).await?, 0);
        // Those that are there already, and one that is made later.
        down_to(&database, "m0021_traffic_vacuum").await?;
        assert_eq!(vacuumed_partitions(&database).await?, partitions);
        Migrator::up(database.connection(), None).await?;
        database.execute("SELECT make_traffic_day('2020-01-02')").await?;
        assert_eq!(vacuumed_partitions(&database).await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_headers_of_traffic_are_an_object_again_for_older_services() -> Result<()> {
    over_sample_rows(|database| async move {
        let rows = "INSERT INTO traffic (id, at, method, path, status, duration_us, model_version, request_body, \
            response_body, model_repeated, headers) SELECT gen_random_uuid(), now(), 'GET', '/', 200, 1, 1, '', '', \
            true, headers FROM unnest(ARRAY['', 'accept: */*', E'accept: a: b\nuser-agent: c', NULL]) headers";
        database.execute(rows).await?;
        down_to(&database, "m0022_traffic_repeats").await?;
        for (object, rows) in [
            // That of the samples, one without headers and one without any.
            ("{}", 3),
            (r#"{"accept": "*/*"}"#, 1),
            (r#"{"accept": "a: b", "user-agent": "c"}"#, 1),
        ] {
            let of = format!("SELECT count(*) FROM traffic WHERE request_headers = '{object}'");
            assert_eq!(database.number(&of).await?, rows, "{object}");
        }
        Ok(())
    })
    .await
}

/// Undoes this migration and all that came later.
async fn down_to(database: &TestDatabase, name: &str) -> Result<()> {
    let later = Migrator::migrations()
        .iter()
        .rev()
        .position(|it| it.name() == name)
        .context("the migration is gone")?;
    Migrator::down(database.connection(), Some(u32::try_from(later)? + 1)).await?;
    Ok(())
}

#[tokio::test]
async fn runs_from_before_settings_were_recorded_can_be_gone_on_with() -> Result<()> {
    over_sample_rows(|database| async move {
        down_to(&database, "m0019_training_history").await?;
        Migrator::up(database.connection(), None).await?;
        let usable = "SELECT count(*) FROM training_runs WHERE settings = '{\"kind\": \"linear\"}'";
        assert_eq!(database.number(usable).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn versions_have_no_gaps_and_history_never_changes() -> Result<()> {
    over_sample_rows(|database| async move {
        refused(
            &database,
            "INSERT INTO datasets VALUES (5, 2, now(), decode(repeat('01', 32), 'hex'), 'added')",
            "leaves a gap",
        )
        .await?;
        refused(
            &database,
            "INSERT INTO promotions VALUES (1, 1, now(), 'gate', '', 'gate')",
            "repeats",
        )
        .await?;
        for table in ["datasets", "models", "promotions", "freezes"] {
            refused(&database, &format!("DELETE FROM {table}"), "never change").await?;
        }
        refused(&database, "UPDATE datasets SET rows = 3", "never change").await?;
        refused(
            &database,
            "UPDATE file_decisions SET reason = 'other'",
            "never change",
        )
        .await?;
        refused(
            &database,
            "UPDATE data_files SET rows_known = 1 WHERE status = 'accepted'",
            "never change",
        )
        .await?;
        refused(
            &database,
            "UPDATE data_files SET status = 'rejected' WHERE status = 'withdrawn'",
            "never change",
        )
        .await
    })
    .await
}

#[tokio::test]
async fn a_version_and_kind_have_one_automatic_run_and_a_run_one_model() -> Result<()> {
    over_sample_rows(|database| async move {
        let run = "INSERT INTO training_runs (id, kind, dataset_version, automatic, seed, status, attempts, \
                   lease_until, started_at) VALUES (gen_random_uuid(), 'linear', 1, true, 1, 'running', 1, now(), now())";
        refused(&database, run, "one_automatic_run").await?;
        let model = "INSERT INTO models SELECT 2, run_id, artifact_sha256, 5, '{}', '{}', '{}', '0', now() FROM models";
        refused(&database, model, "models_run_id_key").await
    })
    .await
}

#[tokio::test]
async fn rows_that_contradict_themselves_are_refused() -> Result<()> {
    over_sample_rows(|database| async move {
        let file = |status: &str, rows: &str| {
            format!(
                "INSERT INTO data_files VALUES (decode(repeat('09', 32), 'hex'), 'b.csv', 1, '{status}', 'why', {rows}, \
                 '[]', '[]', NULL, NULL, now(), now())"
            )
        };
        refused(&database, &file("rejected", "3, 1, 0, 1"), "rows_add_up").await?;
        refused(&database, &file("accepted", "1, 1, 0, 0"), "accepted_has_").await?;
        refused(&database, &file("received", "1, 1, 0, 0"), "check constraint").await?;
        let twice = "INSERT INTO file_decisions (sha256, decision, reason, decided_by, decided_at) \
                     SELECT sha256, decision, reason, decided_by, now() FROM file_decisions";
        refused(&database, twice, "one_open_decision").await?;
        let added = "INSERT INTO datasets VALUES (4, 2, now(), decode(repeat('09', 32), 'hex'), 'added')";
        refused(&database, added, "change_of_file").await?;
        database.execute(&file("rejected", "2, 1, 0, 1")).await?;
        let run = "UPDATE training_runs SET status = 'running', finished_at = NULL";
        refused(&database, run, "running_has_lease").await
    })
    .await
}

/// S12: keys that share a name from before are told apart, and keep working.
#[tokio::test]
async fn working_keys_that_share_a_name_are_told_apart() -> Result<()> {
    over_sample_rows(|database| async move {
        let migrations = Migrator::migrations();
        let since = migrations
            .iter()
            .rev()
            .position(|migration| migration.name() == "m0029_key_names");
        let steps = u32::try_from(since.context("there is no such migration")?)? + 1;
        Migrator::down(database.connection(), Some(steps)).await?;
        let more = "INSERT INTO api_keys SELECT gen_random_uuid(), 'web', 'client', sha256(n::text::bytea), \
                    now() + n * interval '1 hour', CASE n WHEN 3 THEN now() END FROM generate_series(1, 3) n";
        database.execute(more).await?;
        Migrator::up(database.connection(), None).await?;
        for (expected, counted) in [
            (3, "count(DISTINCT name) FROM api_keys WHERE revoked_at IS NULL"),
            (
                1,
                "count(*) FROM api_keys WHERE revoked_at IS NULL AND name = 'web'",
            ),
            (
                1,
                "count(*) FROM api_keys WHERE revoked_at IS NOT NULL AND name = 'web'",
            ),
        ] {
            assert_eq!(
                database.number(&format!("SELECT {counted}")).await?,
                expected,
                "{counted}"
            );
        }
        Ok(())
    })
    .await
}
