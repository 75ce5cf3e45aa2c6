//! `ingest retain`: what is deleted when it is asked for, and what stays.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Output,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{TestDatabase, World, in_world};
use tokio::process::Command;

use super::{decisions::Desk, outages::says};
use crate::data::{HEADER, diamonds, get, predict, serves};

const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const YEARS: Duration = Duration::from_secs(5 * 365 * 86_400);
const NO_BATCH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const YOUNG_BATCH: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// Runs `ingest retain …`.
async fn retain(world: &World, arguments: &[&str]) -> Result<Output> {
    retain_in(world, world.database.url(), arguments).await
}

async fn retain_in(world: &World, database: &str, arguments: &[&str]) -> Result<Output> {
    let test = env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent());
    let ingest = folder.context("the test has no folder")?.join("ingest");
    let mut command = Command::new(ingest);
    command
        .arg("retain")
        .args(arguments)
        .env_clear()
        .env("LAPIDARY__POSTGRES__URL", database)
        .env("LAPIDARY__RABBITMQ__URL", world.vhost.url())
        .env("LAPIDARY__STORE__URL", world.path("store"))
        .env("LAPIDARY__INGEST__INBOX", world.path("inbox"));
    Ok(command.output().await?)
}

/// What it says when it succeeds.
async fn retained(world: &World, arguments: &[&str]) -> Result<String> {
    let output = retain(world, arguments).await?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The files of a folder, and of those in it.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(self::files(&path)?),
            false => drop(files.insert(path)),
        }
    }
    Ok(files)
}

fn make_old(path: &Path) -> Result<()> {
    let file = File::options().write(true).open(path)?;
    Ok(file.set_modified(SystemTime::now() - YEARS)?)
}

/// Makes a file and all that stands beside it as old as its report then says.
fn put_away_long_ago(world: &World, path: &str) -> Result<()> {
    let path = world.path("inbox").join(path).display().to_string();
    let report = format!("{path}.report.json");
    let mut told: Value = serde_json::from_slice(&fs::read(&report)?)?;
    told["finished_at"] = json!(LONG_AGO);
    fs::write(&report, told.to_string())?;
    for part in [path.clone(), report, format!("{path}.rejected.csv")] {
        if Path::new(&part).exists() {
            make_old(Path::new(&part))?;
        }
    }
    Ok(())
}

/// Where the batch of a file is.
async fn batch(world: &World, name: &str) -> Result<PathBuf> {
    let query = format!("SELECT encode(batch_sha256, 'hex') AS digest FROM data_files WHERE name = '{name}'");
    let rows = world.database.query(&query).await?;
    let digest = rows.first().and_then(|row| row["digest"].as_str());
    Ok(batch_path(world, digest.context("no such batch")?))
}

fn batch_path(world: &World, digest: &str) -> PathBuf {
    let folder = world.path("store/batches").join(&digest[..2]);
    folder.join(format!("{digest}.parquet"))
}

fn orphan(world: &World, digest: &str) -> Result<PathBuf> {
    let path = batch_path(world, digest);
    fs::create_dir_all(path.parent().context("no folder")?)?;
    fs::write(&path, "rows that nobody names")?;
    Ok(path)
}

fn digest_of(batch: &Path) -> String {
    batch
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[tokio::test]
async fn old_files_are_listed_and_go_with_their_reports_only_when_it_is_said() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let bad_row = "1,Ideal,E,SI1,61,55,-1,6,6,4\n".as_bytes();
        world.drop_file("old.csv", &[&diamonds(100, 1), bad_row].concat())?;
        world.drop_file("new.csv", &diamonds(100, 2))?;
        world.drop_file("bad.csv", b"no header at all\n")?;
        world.drop_file("worse.csv", HEADER.as_bytes())?;
        for (folder, name) in [
            ("accepted", "old.csv"),
            ("accepted", "new.csv"),
            ("rejected", "bad.csv"),
            ("rejected", "worse.csv"),
        ] {
            world.report(folder, name).await?;
        }
        put_away_long_ago(&world, "accepted/old.csv")?;
        put_away_long_ago(&world, "rejected/bad.csv")?;
        let held = world.path("inbox/held/stray.csv");
        fs::write(&held, "held files are never touched")?;
        make_old(&held)?;
        let before = files(&world.path("inbox"))?;
        assert_eq!(before.len(), 10, "{before:?}");

        let both = ["--accepted-days", "30", "--rejected-days", "30"];
        let listed = retained(&world, &both).await?;
        assert!(
            listed.contains("accepted/old.csv\n") && listed.contains("rejected/bad.csv\n"),
            "{listed}"
        );
        assert!(
            !listed.contains("new.csv") && !listed.contains("worse.csv") && listed.contains("2 in all"),
            "{listed}"
        );
        assert!(listed.ends_with("say the same with --delete.\n"), "{listed}");
        assert_eq!(files(&world.path("inbox"))?, before);

        let deleted = retained(&world, &[&both[..], &["--delete"]].concat()).await?;
        assert!(deleted.contains("Deleted 2 of 2"), "{deleted}");
        let after = files(&world.path("inbox"))?;
        let gone: Vec<_> = before
            .difference(&after)
            .filter_map(|path| path.file_name()?.to_str())
            .collect();
        let expected = [
            "old.csv",
            "old.csv.rejected.csv",
            "old.csv.report.json",
            "bad.csv",
            "bad.csv.report.json",
        ];
        assert_eq!(gone, expected);
        assert_eq!(retained(&world, &both).await?, "There is nothing to delete.\n");
        assert_eq!(world.database.number("SELECT count(*) FROM data_files").await?, 4);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_must_be_said_what_to_look_for() -> Result<()> {
    in_world(|world| async move {
        for arguments in [&[][..], &["--delete"]] {
            let refused = retain(&world, arguments).await?;
            let said = String::from_utf8(refused.stderr)?;
            assert!(!refused.status.success() && said.contains("--batches"), "{said}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn batches_that_nothing_in_use_needs_go_and_everything_in_use_works_on() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        world.drop_file("a.csv", &diamonds(300, 1))?;
        let a = world.report("accepted", "a.csv").await?;
        world.drop_file("b.csv", &diamonds(300, 2))?;
        world.report("accepted", "b.csv").await?;
        desk.decide(&a, "withdraw").await?;
        desk.becomes(&a, "withdrawn").await?;
        let _trainer = world.start("trainer", &[]).await?;
        serves(&desk.url, 3).await?;
        let (batch_a, batch_b) = (batch(&world, "a.csv").await?, batch(&world, "b.csv").await?);
        let (old, young) = (orphan(&world, NO_BATCH)?, orphan(&world, YOUNG_BATCH)?);
        for batch in [&batch_a, &batch_b, &old] {
            make_old(batch)?;
        }

        let listed = retained(&world, &["--batches"]).await?;
        for (batch, is_listed) in [(&batch_a, true), (&old, true), (&batch_b, false), (&young, false)] {
            assert_eq!(
                listed.contains(&digest_of(batch)),
                is_listed,
                "{batch:?} {listed}"
            );
            assert!(batch.exists());
        }
        let other = TestDatabase::migrated().await?;
        let refused = retain_in(&world, other.url(), &["--batches", "--delete"]).await?;
        other.delete().await?;
        let said = String::from_utf8(refused.stderr)?;
        assert!(said.contains("does it belong to this store?"), "{said}");
        let deleted = retained(&world, &["--batches", "--delete"]).await?;
        assert!(deleted.contains("Deleted 2 of 2"), "{deleted}");
        assert_eq!(files(&world.path("store/batches"))?, [batch_b, young].into());

        let (status, problem) = desk.decide(&a, "accept").await?;
        assert_eq!(status, 409);
        let said = problem["detail"].as_str().unwrap_or_default();
        assert!(said.contains("no longer kept"), "{said}");
        works_anew(&world, desk).await?;
        assert!(batch_a.exists(), "the same rows were dropped as another file");
        Ok(())
    })
    .await
}

/// Processes that know nothing yet read everything that is in use.
async fn works_anew(world: &World, desk: Desk) -> Result<()> {
    desk.ingest.crash().await?;
    let _ingest = world.start("ingest", &[]).await?;
    let again = [&diamonds(300, 1)[..], b"\n"].concat();
    world.drop_file("a-again.csv", &again)?;
    let report = world.report("accepted", "a-again.csv").await?;
    assert_eq!(
        (&report["dataset_version"], &report["rows_known"]),
        (&json!(4), &json!(0))
    );
    let trained = "SELECT count(*) FROM training_runs WHERE status = 'succeeded' AND dataset_version = 4";
    world.becomes(trained, 1).await?;

    let api = world.start("api", &[]).await?;
    let url = api.address().await?;
    let diamond = json!({"carat": 1, "cut": "Ideal", "color": "H", "clarity": "SI1"});
    testkit::until("a price", async || {
        let answer = predict(&url, &diamond).await?;
        Ok((answer.status() == StatusCode::OK).then_some(()))
    })
    .await?;
    let query = "carat=1&cut=Ideal&color=H&clarity=SI1&n=3";
    let similar = get(&format!("{url}/v1/diamonds/similar?{query}")).await?;
    assert!(similar["matching"].as_u64() > Some(0), "{similar}");
    Ok(())
}

#[tokio::test]
async fn a_decision_whose_rows_are_missing_waits_is_told_once_and_holds_up_no_other() -> Result<()> {
    in_world(|world| async move {
        let mut desk = Desk::open(&world, &[]).await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        let a = world.report("accepted", "a.csv").await?;
        world.drop_file("b.csv", &diamonds(100, 2))?;
        let b = world.report("accepted", "b.csv").await?;
        desk.decide(&a, "withdraw").await?;
        desk.becomes(&a, "withdrawn").await?;
        desk.ingest.signal(testkit::Signal::SIGTERM)?;
        desk.ingest.ended().await?;
        assert_eq!(desk.decide(&a, "accept").await?.0, 202);
        assert_eq!(desk.decide(&b, "withdraw").await?.0, 202);
        let (rows, aside) = (batch(&world, "a.csv").await?, world.path("aside"));
        fs::rename(&rows, &aside)?;

        desk.ingest = world.start("ingest", &[]).await?;
        desk.becomes(&b, "withdrawn").await?;
        says(&desk.ingest, "store", "down").await?;
        world.drop_file("c.csv", &diamonds(100, 3))?;
        world.report("accepted", "c.csv").await?;
        fs::rename(&aside, &rows)?;
        let back = desk.becomes(&a, "accepted").await?;
        assert_eq!(back["dataset_version"], 6);
        says(&desk.ingest, "store", "up").await?;
        let lines = desk.ingest.lines();
        let told = lines.iter().filter(|line| line["message"] == "a file waits");
        let told: Vec<_> = told.filter_map(|line| line["error"].as_str()).collect();
        assert!(
            told.len() == 1
                && told[0].starts_with("the decision to accept a.csv")
                && told[0].contains("is missing"),
            "{told:?}"
        );
        Ok(())
    })
    .await
}
