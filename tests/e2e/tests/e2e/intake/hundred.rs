//! A hundred files of every kind under kills: each content has an outcome, and nothing is archived without one.

use std::{collections::BTreeMap, fs};

use anyhow::Result;
use domain::Sha256;
use reqwest::StatusCode;
use serde_json::Value;
use testkit::{
    Process, World,
    generate::{Diamonds, Format, RowDefect},
    in_world, until,
};

use super::archiving::{all_is_put_away, archived, nothing_is_archived_unread};
use crate::data::{HEADER, diamonds};

/// The name and the content of the file `number`: every tenth of each kind.
fn file(number: u64) -> (String, Vec<u8>) {
    let some = Diamonds::new(100 + number, number);
    let (ending, content) = match number % 10 {
        0 => ("csv", b"no header at all\n".repeat(number as usize + 1)),
        1 => ("csv", some.with(RowDefect::ZeroX.in_share(0.5)).to_bytes()),
        2 => ("csv", some.with(RowDefect::ZeroX.in_share(0.1)).to_bytes()),
        3 => ("csv.gz", some.packed(Format::CsvGz).to_bytes()),
        4 => ("parquet", b"PAR1 no table at all".repeat(number as usize)),
        5 => ("csv", Diamonds::new(40_000, number).to_bytes()),
        // Too large, and known: the file before it.
        6 => ("csv", vec![b'0'; 9_000_000 + number as usize]),
        7 => (
            "csv",
            Diamonds::new(100 + number - 5, number - 5)
                .with(RowDefect::ZeroX.in_share(0.1))
                .to_bytes(),
        ),
        _ => ("csv", diamonds(100, number as u32)),
    };
    (format!("{number}.{ending}"), content)
}

async fn restarted(world: &World, ingest: Process) -> Result<Process> {
    ingest.crash().await?;
    world
        .start("ingest", &[("LAPIDARY__INGEST__MAX_FILE_BYTES", "8000000")])
        .await
}

/// Point 4: what is archived is what was read, and what was read has an outcome.
#[tokio::test]
async fn a_hundred_files_under_kills_have_each_an_outcome() -> Result<()> {
    in_world(|world| async move {
        let limit = [("LAPIDARY__INGEST__MAX_FILE_BYTES", "8000000")];
        let mut ingest = world.start("ingest", &limit).await?;
        let mut api = world.start("api", &[]).await?;
        let mut dropped = BTreeMap::new();
        for number in 0..100 {
            let (name, content) = file(number);
            world.drop_file(&name, &content)?;
            if number % 9 == 4 {
                // Another content comes under the same name, at once: whichever is there when it is read counts.
                let other = [
                    HEADER.as_bytes(),
                    &diamonds(50, number as u32 + 1000)[HEADER.len()..],
                ]
                .concat();
                let name = format!("{number}.csv");
                world.drop_file(&name, &diamonds(60, number as u32 + 2000))?;
                world.drop_file(&name, &other)?;
                dropped.insert(Sha256::of(&other), name);
                // Of this name there may have been a file of the table as well, which is replaced, too.
            }
            if !(number % 9 == 4 && name == format!("{number}.csv")) {
                dropped.insert(Sha256::of(&content), name);
            }
            if number % 6 == 5 {
                ingest = restarted(&world, ingest).await?;
            }
            if number == 50 {
                api.crash().await?;
                api = world.start("api", &[]).await?;
            }
        }
        all_is_put_away(&world).await?;
        every_outcome_is_told(&world, &api, &dropped).await?;
        nothing_is_archived_unread(&world).await?;
        let accepted = "SELECT count(*) FROM data_files WHERE status = 'accepted'";
        let versions = world.database.number("SELECT count(*) FROM datasets").await?;
        assert_eq!(world.database.number(accepted).await?, versions);
        Ok(())
    })
    .await
}

async fn every_outcome_is_told(
    world: &World,
    api: &Process,
    dropped: &BTreeMap<Sha256, String>,
) -> Result<()> {
    let url = format!("{}/v1/files", api.address().await?);
    let told = async |sha256: &Sha256| {
        let answer = reqwest::get(format!("{url}/{sha256}")).await?;
        let status = answer.status();
        let file: Value = answer.json().await?;
        Result::<_>::Ok((status, file))
    };
    for (sha256, name) in dropped {
        let (status, file) = told(sha256).await?;
        assert_eq!(status, StatusCode::OK, "{name} has no outcome: {file}");
    }
    for path in archived(world)? {
        let sha256 = Sha256::of(&fs::read(&path)?);
        let (status, file) = until("an answer", async || told(&sha256).await.map(Some)).await?;
        assert_eq!(
            status,
            StatusCode::OK,
            "{} has no outcome: {file}",
            path.display()
        );
        let folder = path
            .parent()
            .and_then(|folder| folder.file_name())
            .unwrap_or_default();
        assert_eq!(
            file["status"],
            folder.to_string_lossy().as_ref(),
            "{}",
            path.display()
        );
    }
    Ok(())
}
