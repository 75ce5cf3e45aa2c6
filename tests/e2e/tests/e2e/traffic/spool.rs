//! A spool whose disk does not do what it should.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::{Process, Proxy, World, in_world, until};

use super::{api_by_way_of, away, command, drained, load::Load, metric};

/// The files that wait in a spool, the oldest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?
        .map(|entry| anyhow::Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|it| it == "spool"));
    files.sort();
    Ok(files)
}

/// Three files of records that Postgres does not have yet, each of a process of its own.
async fn three_files(world: &World, way: &Proxy, load: &Load) -> Result<Process> {
    way.cut().await;
    let mut api = None;
    for _ in 0..3 {
        if let Some(before) = api.take() {
            Process::crash(before).await?;
        }
        let begun = api_by_way_of(world, &way.url(), &[]).await?;
        let url = begun.address().await?;
        let clients = load.start(&url, 2);
        load.grows(20).await?;
        away(&url).await?;
        load.grows(20).await?;
        drop(clients);
        api = Some(begun);
    }
    api.context("no process")
}

/// S10: a file that somebody deleted held up all others, and Postgres was told to be away four times a second.
#[tokio::test]
async fn a_file_that_is_missing_or_unreadable_holds_up_no_other() -> Result<()> {
    in_world(|world| async move {
        let (way, load) = (Proxy::start(world.database.url()).await?, Load::default());
        let api = three_files(&world, &way, &load).await?;
        let (url, folder) = (api.address().await?, world.path("spool/0"));
        let waiting = files(&folder)?;
        ensure!(waiting.len() == 3, "{waiting:?}");
        fs::remove_file(&waiting[0])?;
        let unreadable = fs::read(&waiting[1])?;
        fs::remove_file(&waiting[1])?;
        fs::create_dir(&waiting[1])?;
        let last = load.last().context("no answer")?;

        way.restore();
        drained(&url).await?;
        let row = format!("SELECT count(*) FROM traffic WHERE id = '{last}'");
        world.becomes(&row, 1).await?;
        let aside = waiting[1].with_extension("unreadable");
        ensure!(aside.is_dir() && files(&folder)?.is_empty(), "{folder:?}");
        for reason in ["missing", "unreadable"] {
            let series = format!("lapidary_traffic_spool_files_undrained_total{{reason=\"{reason}\"}}");
            assert_eq!(metric(&url, &series).await?, 1.0, "{reason}");
        }
        let lines = api.lines();
        let aways = lines
            .iter()
            .filter(|line| line.to_string().contains("takes no traffic records"));
        ensure!(
            aways.count() < 4,
            "Postgres is told to be away by turns: {lines:#?}"
        );

        // Mended, it is drained by the command; then every answer of these two processes is on record.
        fs::remove_dir(&aside)?;
        api.crash().await?;
        fs::write(&waiting[1], unreadable)?;
        let mended = command(&world, &["traffic", "drain", &folder.display().to_string()]).await?;
        ensure!(mended.status.success(), "{mended:?}");
        Ok(())
    })
    .await
}

/// S10: the disk is told to be at fault, not Postgres.
#[tokio::test]
async fn a_spool_that_cannot_be_drained_says_so_and_everybody_commits() -> Result<()> {
    in_world(|world| async move {
        let (way, load) = (Proxy::start(world.database.url()).await?, Load::default());
        let api = three_files(&world, &way, &load).await?;
        let (url, folder) = (api.address().await?, world.path("spool/0"));
        let waiting = files(&folder)?;
        // A file that cannot be read, and whose place aside is taken: it can neither be drained nor go.
        fs::remove_file(&waiting[0])?;
        fs::create_dir(&waiting[0])?;
        let place = waiting[0].with_extension("unreadable");
        fs::write(&place, b"taken")?;
        way.restore();
        until("readiness to tell of the disk", async || {
            let ready: Value = reqwest::get(format!("{url}/readyz")).await?.json().await?;
            let told = ready["components"]["traffic"].clone();
            let detail = told["detail"].as_str().unwrap_or_default();
            Ok((told["state"] == "degraded" && detail.contains("the spool's disk fails")).then_some(()))
        })
        .await?;
        assert_eq!(metric(&url, "lapidary_traffic_away").await?, 0.0);
        until("the other files to be drained", async || {
            Ok((files(&folder)? == [waiting[0].clone()]).then_some(()))
        })
        .await?;
        let committed = "lapidary_traffic_records_total{outcome=\"committed\"}";
        let before = metric(&url, committed).await?;
        until("a record to be committed", async || {
            reqwest::get(format!("{url}/nothing")).await?;
            Ok((metric(&url, committed).await? > before).then_some(()))
        })
        .await?;
        fs::remove_file(&place)?;
        until("readiness to be well again", async || {
            let ready: Value = reqwest::get(format!("{url}/readyz")).await?.json().await?;
            Ok((ready["components"]["traffic"]["state"] == "up").then_some(()))
        })
        .await
    })
    .await
}
