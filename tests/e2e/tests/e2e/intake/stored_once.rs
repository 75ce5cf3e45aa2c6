//! Rows are stored once, whichever files bring them, and none is lost when one of these is withdrawn.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use domain::{
    Sample, SampleHash,
    row::{RawRow, judge},
};
use serde_json::{Value, json};
use testkit::{Process, Signal, World, in_world};

use super::decisions::Desk;
use crate::data::{HEADER, diamonds};

/// Rows of one file, and then those of another.
fn both(one: &[u8], other: &[u8]) -> Vec<u8> {
    [one, &other[HEADER.len()..]].concat()
}

fn samples_of(csv: &[u8]) -> Result<BTreeSet<SampleHash>> {
    let text = String::from_utf8_lossy(csv);
    let sample = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let row = RawRow(fields.try_into().ok().context("no ten fields")?);
        Ok(SampleHash::of(&judge(&row).ok().context("a bad row")?))
    };
    text.lines().skip(1).map(sample).collect()
}

/// The samples of a dataset version, as an operator downloads them.
async fn samples(desk: &Desk, version: u32) -> Result<Vec<Sample>> {
    let url = format!("{}/v1/datasets/{version}/parquet", desk.url);
    let response = reqwest::Client::new()
        .get(url)
        .bearer_auth(&desk.key)
        .send()
        .await?;
    let bytes = response.error_for_status()?.bytes().await?;
    Ok(storage::batch::read(bytes.to_vec())?)
}

/// Checks that a dataset version has the rows of these files, each once, and says so.
async fn has(world: &World, desk: &Desk, version: u32, files: &[&[u8]]) -> Result<()> {
    let mut expected = BTreeSet::new();
    for csv in files {
        expected.extend(samples_of(csv)?);
    }
    let found = samples(desk, version).await?;
    let rows = format!("SELECT rows FROM datasets WHERE version = {version}");
    let told = world.database.number(&rows).await?;
    assert_eq!(
        (found.len(), usize::try_from(told)?),
        (expected.len(), expected.len()),
        "rows of version {version}, as stored and as told"
    );
    let found: BTreeSet<_> = found.iter().map(SampleHash::of).collect();
    assert!(found == expected, "other rows than those of version {version}");
    Ok(())
}

async fn stop(ingest: &mut Process) -> Result<()> {
    ingest.signal(Signal::SIGTERM)?;
    assert!(ingest.ended().await?);
    Ok(())
}

/// The objects of one kind in the store.
fn objects(world: &World, kind: &str) -> Result<Vec<PathBuf>> {
    let mut objects = Vec::new();
    for part in fs::read_dir(world.path("store").join(kind))? {
        for object in fs::read_dir(part?.path())? {
            objects.push(object?.path());
        }
    }
    Ok(objects)
}

fn bytes_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => bytes_of(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}

/// F3: a small file of five million equal rows is one row in the store, and takes little memory.
#[tokio::test]
async fn a_file_of_equal_rows_is_one_row_in_the_store() -> Result<()> {
    const ROWS: usize = 5_000_000;
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        let row = "1.1,Ideal,H,SI2,62.0,55.0,4733,6.61,6.65,4.11\n";
        let mut packed = storage_gzip(HEADER.as_bytes())?;
        let member = storage_gzip(row.repeat(ROWS / 50).as_bytes())?;
        for _ in 0..50 {
            packed.extend_from_slice(&member);
        }
        world.drop_file("equal.csv.gz", &packed)?;
        let report = world.report("accepted", "equal.csv.gz").await?;
        assert_eq!(
            (&report["rows_accepted"], &report["rows_known"]),
            (&json!(ROWS), &json!(ROWS - 1))
        );
        let csv = format!("{HEADER}{row}");
        has(&world, &desk, 1, &[csv.as_bytes()]).await?;
        let stored = bytes_of(&world.path("store"))?;
        assert!(stored < 100_000, "{stored} bytes in the store");
        let pid = desk.ingest.pid().context("ingest has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: u64 = peak
            .and_then(|peak| peak.trim().strip_suffix(" kB"))
            .context("no peak")?
            .parse()?;
        assert!(peak < 512 << 10, "{peak} KiB at its peak");
        Ok(())
    })
    .await
}

fn storage_gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes)?;
    Ok(packed.finish()?)
}

/// F3: known rows are not stored again; a withdrawn file's rows stay as far as others brought them, and go with these.
#[tokio::test]
async fn rows_that_several_files_brought_stay_until_the_last_of_them_is_withdrawn() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        let (one, two, three) = (diamonds(300, 1), diamonds(200, 2), diamonds(100, 3));
        let (b, c) = (both(&one, &two), both(&three, &two));
        world.drop_file("a.csv", &one)?;
        let report_a = world.report("accepted", "a.csv").await?;
        world.drop_file("b.csv", &b)?;
        let report_b = world.report("accepted", "b.csv").await?;
        world.drop_file("c.csv", &c)?;
        let report_c = world.report("accepted", "c.csv").await?;
        assert_eq!(
            (&report_b["rows_known"], &report_c["rows_known"]),
            (&json!(300), &json!(200))
        );
        let mut stored = 0;
        for batch in objects(&world, "batches")? {
            stored += storage::batch::read(fs::read(batch)?)?.len();
        }
        assert_eq!(stored, 600, "each row is in one batch");
        has(&world, &desk, 3, &[&one, &b, &c]).await?;

        desk.decide(&report_a, "withdraw").await?;
        desk.becomes(&report_a, "withdrawn").await?;
        has(&world, &desk, 4, &[&b, &c]).await?;
        desk.decide(&report_b, "withdraw").await?;
        desk.becomes(&report_b, "withdrawn").await?;
        has(&world, &desk, 5, &[&c]).await?;
        has(&world, &desk, 4, &[&b, &c]).await?;
        has(&world, &desk, 3, &[&one, &b, &c]).await?;

        // Its rows are in batches of others by now.
        desk.decide(&report_b, "accept").await?;
        let back = desk.becomes(&report_b, "accepted").await?;
        assert_eq!(back["rows_known"], 200);
        has(&world, &desk, 6, &[&b, &c]).await?;
        desk.decide(&report_c, "withdraw").await?;
        desk.becomes(&report_c, "withdrawn").await?;
        has(&world, &desk, 7, &[&b]).await
    })
    .await
}

/// F3: rows that two ingests take for new at the same time are stored by the one that commits first.
#[tokio::test]
async fn rows_that_two_ingests_take_at_once_are_stored_once() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        let _other = world.start("ingest", &[]).await?;
        world.database.execute(crate::versions::PAUSE_COMMITS).await?;
        let pause = world.database.begin().await?;
        pause.execute("SELECT pg_advisory_xact_lock(7)").await?;
        let (one, two) = (diamonds(300, 1), diamonds(200, 2));
        let (a, b) = (both(&one, &two), both(&two, &one));
        world.drop_file("a.csv", &a)?;
        world.drop_file("b.csv", &both(&b, &diamonds(100, 3)))?;
        // One is in its commit, the other has selected its rows and waits behind it.
        let waiting = "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event = 'advisory' AND application_name = 'ingest'";
        world.becomes(waiting, 2).await?;
        pause.rollback().await?;
        world.becomes("SELECT count(*) FROM datasets", 2).await?;
        has(&world, &desk, 2, &[&a, &diamonds(100, 3)]).await
    })
    .await
}

/// F3: an ingest that starts reads the hashes that were kept, and no batch.
#[tokio::test]
async fn a_restart_reads_hashes_and_no_batches() -> Result<()> {
    in_world(|world| async move {
        let mut ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(300, 1))?;
        world.report("accepted", "a.csv").await?;
        stop(&mut ingest).await?;
        for batch in objects(&world, "batches")? {
            fs::write(batch, "not to be read")?;
        }
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("b.csv", &both(&diamonds(300, 1), &diamonds(50, 2)))?;
        let report = world.report("accepted", "b.csv").await?;
        assert_eq!(report["rows_known"], 300);
        Ok(())
    })
    .await
}

/// Makes a dataset what it was before rows were stored once.
const AS_BEFORE: &str = "
ALTER TABLE datasets DISABLE TRIGGER USER;
ALTER TABLE data_files DISABLE TRIGGER USER;
UPDATE datasets SET batch_sha256 = NULL, may_repeat = true;
UPDATE data_files SET hashes_sha256 = NULL;
ALTER TABLE datasets ENABLE TRIGGER USER;
ALTER TABLE data_files ENABLE TRIGGER USER;
";

/// F3: files from before are gone on with, and their hashes are computed once.
#[tokio::test]
async fn files_from_before_rows_were_stored_once_are_gone_on_with() -> Result<()> {
    in_world(|world| async move {
        let mut desk = Desk::open(&world, &[]).await?;
        let one = diamonds(300, 1);
        world.drop_file("a.csv", &one)?;
        let report_a = world.report("accepted", "a.csv").await?;
        stop(&mut desk.ingest).await?;
        world.database.execute(AS_BEFORE).await?;
        fs::remove_dir_all(world.path("store/hashes"))?;

        desk.ingest = world.start("ingest", &[]).await?;
        let b = both(&one, &diamonds(50, 2));
        world.drop_file("b.csv", &b)?;
        let report_b = world.report("accepted", "b.csv").await?;
        assert_eq!(report_b["rows_known"], 300);
        has(&world, &desk, 2, &[&b]).await?;
        let computed = "SELECT count(*) FROM data_files WHERE hashes_sha256 IS NULL";
        assert_eq!(world.database.number(computed).await?, 0);
        desk.decide(&report_a, "withdraw").await?;
        desk.becomes(&report_a, "withdrawn").await?;
        has(&world, &desk, 3, &[&b]).await?;
        desk.decide(&report_a, "accept").await?;
        desk.becomes(&report_a, "accepted").await?;
        desk.decide(&report_b, "withdraw").await?;
        desk.becomes(&report_b, "withdrawn").await?;
        has(&world, &desk, 5, &[&one]).await
    })
    .await
}

/// F3: of a held file, what other files brought meanwhile is not stored again when it is accepted.
#[tokio::test]
async fn a_held_file_is_accepted_with_the_rows_that_are_new_then() -> Result<()> {
    in_world(|world| async move {
        let settings = [("LAPIDARY__INGEST__DRIFT", "block")];
        let mut desk = Desk::open(&world, &settings).await?;
        let (usual, dear) = (diamonds(2000, 1), super::decisions::dear(500, 2));
        world.drop_file("usual.csv", &usual)?;
        world.report("accepted", "usual.csv").await?;
        world.drop_file("dear.csv", &dear)?;
        let held = world.report("held", "dear.csv").await?;
        stop(&mut desk.ingest).await?;
        desk.ingest = world.start("ingest", &[]).await?;
        let part: String = String::from_utf8_lossy(&dear)
            .lines()
            .take(201)
            .map(|line| format!("{line}\n"))
            .collect();
        world.drop_file("part.csv", part.as_bytes())?;
        world.report("accepted", "part.csv").await?;
        desk.decide(&held, "accept").await?;
        let accepted = desk.becomes(&held, "accepted").await?;
        assert_eq!(accepted["rows_known"], 200);
        has(&world, &desk, 3, &[&usual, &dear]).await
    })
    .await
}

/// Takes the last version and its file out of history, as a backup from before does.
const RESTORED: &str = "
ALTER TABLE datasets DISABLE TRIGGER USER;
ALTER TABLE data_files DISABLE TRIGGER USER;
ALTER TABLE data_files DROP CONSTRAINT data_files_dataset_version_fkey;
DELETE FROM datasets WHERE version = 2;
DELETE FROM data_files WHERE dataset_version = 2;
";

const GUARDED_AGAIN: &str = "
ALTER TABLE datasets ENABLE TRIGGER USER;
ALTER TABLE data_files ENABLE TRIGGER USER;
";

/// F15: a backup is restored under a running ingest: the rows that it knows are not those of the dataset any more.
#[tokio::test]
async fn what_was_learned_of_another_history_is_forgotten() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        let (one, two, three) = (diamonds(500, 1), diamonds(500, 2), diamonds(500, 3));
        for (name, csv) in [("a.csv", &one), ("b.csv", &two)] {
            world.drop_file(name, csv)?;
            world.report("accepted", name).await?;
        }
        world.database.execute(RESTORED).await?;
        world.database.execute(GUARDED_AGAIN).await?;
        // Version 2 again, of other rows; then the rows that version 2 had before.
        world.drop_file("c.csv", &three)?;
        let report = world.report("accepted", "c.csv").await?;
        assert_eq!(
            (&report["dataset_version"], &report["rows_known"]),
            (&json!(2), &json!(0))
        );
        world.drop_file("b-again.csv", &both(&two, &one))?;
        let report = world.report("accepted", "b-again.csv").await?;
        assert_eq!(report["rows_known"], 500);
        has(&world, &desk, 2, &[&one, &three]).await?;
        has(&world, &desk, 3, &[&one, &two, &three]).await
    })
    .await
}

/// F14: many small files are read as few objects: a trainer needs none of their batches.
#[tokio::test]
async fn many_small_files_are_trained_on_from_one_object() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        let files: Vec<_> = (0..64).map(|seed| diamonds(20, seed)).collect();
        for (seed, csv) in files.iter().enumerate() {
            world.drop_file(&format!("{seed}.csv"), csv)?;
        }
        world.becomes("SELECT count(*) FROM merged_batches", 1).await?;
        let all: Vec<_> = files.iter().map(Vec::as_slice).collect();
        has(&world, &desk, 64, &all).await?;
        let merged = "SELECT encode(sha256, 'hex') AS digest FROM merged_batches";
        let merged = world.database.query(merged).await?[0]["digest"].clone();
        for batch in objects(&world, "batches")? {
            let is_merged = batch.file_stem().and_then(|name| name.to_str()) == merged.as_str();
            if !is_merged {
                fs::remove_file(batch)?;
            }
        }
        let _trainer = world.start("trainer", &[]).await?;
        let trained =
            "SELECT count(*) FROM training_runs WHERE status = 'succeeded' AND dataset_version = 64";
        world.becomes(trained, 1).await
    })
    .await
}

/// F14: a list of versions names of each only the file that it added.
#[tokio::test]
async fn a_list_of_versions_is_as_long_as_the_versions_are_many() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        let mut reports = Vec::new();
        for seed in 1..=4 {
            let name = format!("{seed}.csv");
            world.drop_file(&name, &diamonds(10, seed))?;
            reports.push(world.report("accepted", &name).await?);
        }
        desk.decide(&reports[1], "withdraw").await?;
        desk.becomes(&reports[1], "withdrawn").await?;
        let list = crate::data::get(&format!("{}/v1/datasets", desk.url)).await?;
        let items = list["items"].as_array().context("no items")?.iter().rev();
        let told = |item: &Value| {
            let files = item["files"].as_array().into_iter().flatten();
            let names: Vec<_> = files.map(|file| file["name"].clone()).collect();
            json!([item["change"], names, item["files_total"], item["changed_file"]])
        };
        let sha256 = |place: usize| reports[place]["sha256"].clone();
        let expected = json!([
            ["added", ["1.csv"], 1, sha256(0)],
            ["added", ["2.csv"], 2, sha256(1)],
            ["added", ["3.csv"], 3, sha256(2)],
            ["added", ["4.csv"], 4, sha256(3)],
            ["removed", [], 3, sha256(1)]
        ]);
        assert_eq!(items.map(told).collect::<Value>(), expected);
        let newest = crate::data::get(&format!("{}/v1/datasets/5", desk.url)).await?;
        assert_eq!(newest["files"].as_array().map(Vec::len), Some(3));
        Ok(())
    })
    .await
}
