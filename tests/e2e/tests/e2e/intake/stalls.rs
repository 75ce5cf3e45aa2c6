//! Files that could stop intake: too large, never still, too much to decode, deadly to read.

use std::{
    fs::{self, File},
    io::{Cursor, Write as _},
    time::SystemTime,
};

use anyhow::{Context as _, Result};
use domain::Sha256;
use polars::prelude::{
    Column, DataFrame, IdxCa, NamedFrom as _, ParquetCompression, ParquetWriter, Series, StatisticsOptions,
};
use serde_json::{Value, json};
use testkit::{Process, World, in_world, until};

use super::outages::{metric, says};
use crate::data::diamonds;

async fn inbox_component(ingest: &Process) -> Result<Value> {
    let url = format!("{}/readyz", ingest.address().await?);
    let answer: Value = reqwest::get(&url).await?.json().await?;
    Ok(answer["components"]["inbox"].clone())
}

/// A file of `bytes` zeros that takes no room, dropped safely.
fn drop_sparse(world: &World, name: &str, bytes: u64) -> Result<()> {
    let part = world.path("inbox/sparse.part");
    File::create(&part)?.set_len(bytes)?;
    Ok(fs::rename(part, world.path("inbox").join(name))?)
}

/// F12: a file that takes minutes to be hashed holds up no other.
#[tokio::test]
async fn a_file_beyond_every_limit_holds_up_no_other() -> Result<()> {
    in_world(|world| async move {
        let mut ingest = world.start("ingest", &[]).await?;
        // Hashing these takes ten minutes at least.
        for name in ["huge.csv", "huge.csv.gz", "huge.parquet"] {
            drop_sparse(&world, name, 1 << 40)?;
        }
        until("the huge files to be seen", async || {
            let waiting = metric(&ingest, "lapidary_files_waiting").await?;
            Ok((waiting.as_deref() == Some("3")).then_some(()))
        })
        .await?;
        for seed in 1..=3 {
            let name = format!("{seed}.csv");
            world.drop_file(&name, &diamonds(100, seed))?;
            world.report("accepted", &name).await?;
        }
        assert!(world.path("inbox/huge.csv").exists());
        says(&ingest, "inbox", "up").await?;
        ingest.signal(testkit::Signal::SIGTERM)?;
        assert!(ingest.ended().await?, "it stops in good order");
        Ok(())
    })
    .await
}

/// F12: it is rejected unread, under its own digest.
#[tokio::test]
async fn a_file_that_is_too_large_is_rejected_unread() -> Result<()> {
    in_world(|world| async move {
        let limit = [("LAPIDARY__INGEST__MAX_FILE_BYTES", "100000")];
        let _ingest = world.start("ingest", &limit).await?;
        for name in ["large.csv", "large.csv.gz", "large.parquet"] {
            let size = 200_000 + name.len();
            drop_sparse(&world, name, size as u64)?;
            let report = world.report("rejected", name).await?;
            let expected = "the file holds more than 100000 bytes (unpacked); split it into smaller files";
            assert_eq!(report["rejection"], expected);
            assert_eq!(report["sha256"], Sha256::of(&vec![0; size]).to_string());
        }
        assert_eq!(world.database.number("SELECT count(*) FROM data_files").await?, 3);
        Ok(())
    })
    .await
}

/// F11: a file that is never still grows old, is told, and is not taken before it is still.
#[tokio::test]
async fn a_file_that_keeps_changing_is_told_and_not_taken() -> Result<()> {
    in_world(|world| async move {
        let settings = [("LAPIDARY__INGEST__STALL_AFTER_MS", "1500")];
        let ingest = world.start("ingest", &settings).await?;
        let path = world.path("inbox/a.csv");
        // As a slow download: it stays open, and is written to again and again.
        let mut file = File::create(&path)?;
        file.write_all(&diamonds(100, 1))?;
        let told = until("readiness to name the file", async || {
            file.set_modified(SystemTime::now())?;
            let inbox = inbox_component(&ingest).await?;
            Ok((inbox["state"] == "degraded").then_some(inbox))
        })
        .await?;
        let detail = told["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("a.csv has kept changing for"), "{detail}");
        let age = metric(&ingest, "lapidary_oldest_file_waiting_seconds").await?;
        let age: f64 = age.context("no age")?.parse()?;
        assert!(age >= 1.0, "{age}");
        assert_eq!(world.database.number("SELECT count(*) FROM data_files").await?, 0);
        drop(file);
        world.report("accepted", "a.csv").await?;
        says(&ingest, "inbox", "up").await
    })
    .await
}

/// F4: an intake that stands still is told, whatever it is that stops it.
#[tokio::test]
async fn an_intake_that_makes_no_progress_is_told() -> Result<()> {
    in_world(|world| async move {
        let settings = [
            ("LAPIDARY_FAILPOINT", "reading"),
            ("LAPIDARY__INGEST__STALL_AFTER_MS", "300"),
        ];
        let ingest = world.start("ingest-failpoints", &settings).await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        says(&ingest, "inbox", "degraded").await?;
        let inbox = inbox_component(&ingest).await?;
        let detail = inbox["detail"].as_str().unwrap_or_default();
        assert!(
            detail.starts_with("no progress for") && detail.ends_with("inbox/a.csv"),
            "{detail}"
        );
        Ok(())
    })
    .await
}

/// F2: a file that ends the process whenever it is read is set aside; dropped again, it is read again.
#[tokio::test]
async fn a_file_whose_reading_is_deadly_is_set_aside_after_three_times() -> Result<()> {
    in_world(|world| async move {
        let content = diamonds(100, 1);
        world.drop_file("deadly.csv", &content)?;
        for _ in 0..3 {
            let stopping = [("LAPIDARY_FAILPOINT", "reading")];
            let victim = world.start("ingest-failpoints", &stopping).await?;
            victim.logged("at the fail point").await?;
            victim.crash().await?;
        }
        assert!(world.path("inbox/deadly.csv").exists());
        let _ingest = world.start("ingest", &[]).await?;
        let report = world.report("rejected", "deadly.csv").await?;
        let rejection = report["rejection"].as_str().unwrap_or_default();
        assert!(
            rejection.starts_with("ingest stopped 3 times while reading it"),
            "{rejection}"
        );
        assert_eq!(report["sha256"], Sha256::of(&content).to_string());
        world.drop_file("good.csv", &diamonds(100, 2))?;
        world.report("accepted", "good.csv").await?;
        world.drop_file("deadly.csv", &content)?;
        world.report("accepted", "deadly.csv").await?;
        Ok(())
    })
    .await
}

/// A table of 1,000 rows that share one cut of so many bytes.
fn shared_text(bytes: usize) -> Result<Vec<u8>> {
    let number = |name: &str| Column::new(name.into(), vec![1.5; 1000]);
    let one = Series::new("cut".into(), ["x".repeat(bytes)]);
    // The rows share the bytes of the text here, as they do in the file.
    let shared = one.take(&IdxCa::from_vec("".into(), vec![0; 1000]))?;
    let grade = |name: &str| Column::new(name.into(), vec!["E"; 1000]);
    let mut columns: Vec<_> = ["carat", "depth", "table", "price", "x", "y", "z"]
        .map(number)
        .into();
    columns.extend([shared.into(), grade("color"), grade("clarity")]);
    let mut frame = DataFrame::new(1000, columns)?;
    let mut bytes = Cursor::new(Vec::new());
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::empty())
        .finish(&mut frame)?;
    Ok(bytes.into_inner())
}

/// The most memory that the process has had, in KiB.
fn peak_memory(process: &Process) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid().context("it has ended")?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no peak")?.parse()?)
}

/// F2: a few kilobytes that say a text of 2 MB in each of 1,000 rows.
#[tokio::test]
async fn a_table_whose_rows_share_a_long_text_is_rejected_in_words() -> Result<()> {
    in_world(|world| async move {
        let bomb = shared_text(2_000_000)?;
        assert!(bomb.len() < 50_000, "{} bytes", bomb.len());
        let ingest = world.start("ingest", &[]).await?;
        world.drop_file("bomb.parquet", &bomb)?;
        let report = world.report("rejected", "bomb.parquet").await?;
        let expected = "row 1 of the Parquet file holds a text of 2000000 bytes in the column cut, more than 256; \
                        no grade and no number is that long";
        assert_eq!(report["rejection"], json!(expected));
        let peak = peak_memory(&ingest)?;
        assert!(peak < 400 << 10, "{peak} KiB");
        Ok(())
    })
    .await
}
