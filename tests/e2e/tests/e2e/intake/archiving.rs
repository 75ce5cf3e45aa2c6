//! What lies in a folder is what was judged, whatever comes under its name meanwhile.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use domain::Sha256;
use rstest::rstest;
use serde_json::{Value, json};
use testkit::{Process, World, in_world, until};

use super::{
    decisions::{Desk, dear},
    outages::says,
};
use crate::{
    crashes::{WAITING, lock},
    data::{HEADER, diamonds},
};

/// The files in the inbox's folders that were dropped once, reports and lists of rejected rows left out.
pub(super) fn archived(world: &World) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["accepted", "held", "rejected"] {
        for entry in fs::read_dir(world.path("inbox").join(folder))? {
            let path = entry?.path();
            let name = path.display().to_string();
            let has_report = Path::new(&format!("{name}.report.json")).exists();
            if !name.ends_with(".report.json") && (has_report || !name.ends_with(".rejected.csv")) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// Every archived file is one whose outcome is known, and that its report is about.
pub(super) async fn nothing_is_archived_unread(world: &World) -> Result<()> {
    for path in archived(world)? {
        let sha256 = Sha256::of(&fs::read(&path)?).to_string();
        let report = fs::read(format!("{}.report.json", path.display()))?;
        let report: Value = serde_json::from_slice(&report)?;
        assert_eq!(report["sha256"], sha256, "the report beside {}", path.display());
        let rows = format!("SELECT status FROM data_files WHERE sha256 = '\\x{sha256}'");
        let rows = world.database.query(&rows).await?;
        assert_eq!(rows.len(), 1, "{} was never read", path.display());
    }
    Ok(())
}

/// Waits until nothing is left in the inbox but its folders.
pub(super) async fn all_is_put_away(world: &World) -> Result<()> {
    until("everything to be put away", async || {
        Ok((fs::read_dir(world.path("inbox"))?.count() == 3).then_some(()))
    })
    .await
}

async fn status_of(world: &World, content: &[u8]) -> Result<Value> {
    let sha256 = Sha256::of(content);
    let rows = format!("SELECT status FROM data_files WHERE sha256 = '\\x{sha256}'");
    let rows = world.database.query(&rows).await?;
    Ok(rows.first().context("the file has no outcome")?["status"].clone())
}

/// F1, F7: new content is renamed over a file between its judgment and its move, on each way out.
#[rstest]
#[case::fresh(diamonds(200, 1), "EXCLUSIVE", "accepted")]
#[case::rejected(b"no header at all\n".to_vec(), "EXCLUSIVE", "rejected")]
#[case::known(diamonds(100, 9), "ACCESS EXCLUSIVE", "accepted")]
#[tokio::test]
async fn a_file_that_replaces_another_before_its_move_is_judged_itself(
    #[case] first: Vec<u8>,
    #[case] mode: &'static str,
    #[case] status: &'static str,
) -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("known.csv", &diamonds(100, 9))?;
        world.report("accepted", "known.csv").await?;
        // Recording what became of it, or looking whether it was judged before, waits for the test.
        let release = lock(&world, "data_files", mode).await?;
        world.drop_file("a.csv", &first)?;
        world.becomes(&format!("{WAITING} 'ingest'"), 1).await?;
        let second = diamonds(200, 2);
        world.drop_file("a.csv", &second)?;
        release.rollback().await?;

        let accepted = "SELECT count(*) FROM data_files WHERE name = 'a.csv' AND status = 'accepted' AND rows_read = 200";
        world
            .becomes(&format!("({accepted}) - {}", i32::from(status == "accepted" && mode == "EXCLUSIVE")), 1)
            .await?;
        assert_eq!(status_of(&world, &first).await?, status);
        assert_eq!(status_of(&world, &second).await?, "accepted");
        all_is_put_away(&world).await?;
        nothing_is_archived_unread(&world).await?;
        let report = world.report("accepted", "a.csv").await?;
        assert_eq!(report["sha256"], Sha256::of(&second).to_string());
        Ok(())
    })
    .await
}

/// F1: the same on the way out of `held/`.
#[tokio::test]
async fn a_file_that_replaced_a_held_one_is_judged_itself() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[("LAPIDARY__INGEST__DRIFT", "block")]).await?;
        world.drop_file("usual.csv", &diamonds(2000, 1))?;
        world.report("accepted", "usual.csv").await?;
        world.drop_file("a.csv", &dear(500, 2))?;
        let held = world.report("held", "a.csv").await?;
        let other = diamonds(1000, 1);
        world.drop_file("held/a.csv", &other)?;
        assert_eq!(desk.decide(&held, "reject").await?.0, 202);
        desk.becomes(&held, "rejected").await?;
        let report = world.report("accepted", "a.csv").await?;
        assert_eq!(report["sha256"], Sha256::of(&other).to_string());
        all_is_put_away(&world).await?;
        nothing_is_archived_unread(&world).await?;
        assert_eq!(fs::read_dir(world.path("inbox/held"))?.count(), 0);
        Ok(())
    })
    .await
}

fn make_pipe(path: &Path) -> Result<()> {
    let made = std::process::Command::new("mkfifo").arg(path).status()?;
    anyhow::ensure!(made.success(), "mkfifo {}", path.display());
    Ok(())
}

/// F4: neither a pipe nor a device in the place of a report stops intake.
#[tokio::test]
async fn reports_that_are_pipes_or_devices_stop_nothing() -> Result<()> {
    in_world(|world| async move {
        let held = world.path("inbox/held");
        fs::create_dir_all(&held)?;
        fs::create_dir_all(world.path("inbox/accepted"))?;
        for name in ["a.csv", "b.csv"] {
            fs::write(held.join(name), diamonds(20, 1))?;
        }
        make_pipe(&held.join("a.csv.report.json"))?;
        std::os::unix::fs::symlink("/dev/zero", held.join("b.csv.report.json"))?;
        make_pipe(&world.path("inbox/accepted/good.csv.report.json"))?;
        let ingest = world.start("ingest", &[]).await?;
        let good = diamonds(100, 2);
        world.drop_file("good.csv", &good)?;
        let other_name = format!("good~{}-1.csv", Sha256::of(&good).short());
        world.report("accepted", &other_name).await?;
        says(&ingest, "inbox", "up").await
    })
    .await
}

async fn count_of(ingest: &Process, series: &str) -> Result<u64> {
    let url = format!("{}/metrics", ingest.address().await?);
    let text = reqwest::get(&url).await?.text().await?;
    let has_all = |line: &&str| series.split(' ').all(|part| line.contains(part));
    let value = text
        .lines()
        .find(has_all)
        .and_then(|line| line.rsplit(' ').next());
    Ok(value.map_or(Ok(0), str::parse)?)
}

/// F16: a rejected file that cannot be moved is read, counted and told once, however often moving is tried.
#[tokio::test]
async fn a_file_that_cannot_be_moved_is_judged_once() -> Result<()> {
    in_world(|world| async move {
        fs::create_dir_all(world.path("inbox"))?;
        let rejected = world.path("inbox/rejected");
        let ingest = world.start("ingest", &[]).await?;
        fs::remove_dir(&rejected)?;
        fs::write(&rejected, b"in the way")?;
        world.drop_file("bad.csv", HEADER.as_bytes())?;
        let moves = r#"lapidary_intake_step_seconds_count step="move""#;
        until("three tries", async || {
            Ok((count_of(&ingest, moves).await? >= 3).then_some(()))
        })
        .await?;
        assert!(world.path("inbox/bad.csv").exists());
        fs::remove_file(&rejected)?;
        world.report("rejected", "bad.csv").await?;
        let events = "SELECT count(*) FROM events WHERE type = 'file.rejected'";
        assert_eq!(world.database.number(events).await?, 1);
        assert_eq!(
            count_of(&ingest, r#"lapidary_files_total status="rejected""#).await?,
            1
        );
        let reads = r#"lapidary_intake_step_seconds_count step="read""#;
        assert_eq!(count_of(&ingest, reads).await?, 1);
        all_is_put_away(&world).await
    })
    .await
}

/// F16: whatever a killed process had in hand is back at the next start.
#[tokio::test]
async fn a_file_that_was_being_moved_by_a_killed_process_is_taken_again() -> Result<()> {
    in_world(|world| async move {
        let victim = world
            .start("ingest-failpoints", &[("LAPIDARY_FAILPOINT", "taken")])
            .await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        victim.logged("at the fail point").await?;
        victim.crash().await?;
        assert!(!world.path("inbox/a.csv").exists());
        fs::write(world.path("inbox/accepted/.staged-half"), b"half a report")?;
        world.drop_file("a.csv", &diamonds(100, 2))?;
        let _ingest = world.start("ingest", &[]).await?;
        world
            .becomes("SELECT count(*) FROM data_files WHERE status = 'accepted'", 2)
            .await?;
        all_is_put_away(&world).await?;
        nothing_is_archived_unread(&world).await?;
        assert_eq!(archived(&world)?.len(), 2);
        assert!(!world.path("inbox/accepted/.staged-half").exists());
        assert_eq!(
            world.database.number("SELECT max(version) FROM datasets").await?,
            2
        );
        Ok(())
    })
    .await
}

/// F6: the list of bad rows is not all that has to be dropped again, and the report says so.
#[tokio::test]
async fn the_report_of_a_wholly_rejected_file_says_what_to_drop() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let bad_rows = "=1+1,Ideal,E,SI1,61,55,-1,6,6,4\n".repeat(40);
        world.drop_file("a.csv", &[&diamonds(100, 1)[..], bad_rows.as_bytes()].concat())?;
        let report = world.report("rejected", "a.csv").await?;
        let rejection = "40 of 140 rows break a rule, more than 20 %; none of its rows are used: mend those rows, \
                         and drop the whole file again";
        assert_eq!((&report["rejection"], &report["rows_accepted"]), (&json!(rejection), &json!(100)));
        // S18: no cell of the list is a formula.
        let list = fs::read(world.path("inbox/rejected/a.csv.rejected.csv"))?;
        let mut rows = csv::Reader::from_reader(&list[..]);
        for row in rows.records() {
            assert_eq!(&row?[2], "'=1+1,Ideal,E,SI1,61,55,-1,6,6,4");
        }
        Ok(())
    })
    .await
}
