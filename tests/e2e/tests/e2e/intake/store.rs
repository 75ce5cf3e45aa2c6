//! An object store that is away, another's, or has lost something.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::{Process, World, in_world, until};

use super::outages::says;
use crate::data::{HEADER, diamonds};

async fn store_detail(service: &Process) -> Result<String> {
    let url = format!("{}/readyz", service.address().await?);
    let answer: Value = reqwest::get(&url).await?.json().await?;
    Ok(answer["components"]["store"]["detail"].to_string())
}

/// F8: nothing is written below the mount point of a disk that is not there; it goes on once it is back.
#[tokio::test]
async fn a_store_whose_disk_is_not_mounted_is_waited_for_and_not_written_over() -> Result<()> {
    in_world(|world| async move {
        let mut ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        world.report("accepted", "a.csv").await?;
        fs::rename(world.path("store"), world.path("unmounted"))?;
        fs::create_dir(world.path("store"))?;
        world.drop_file("b.csv", &diamonds(100, 2))?;
        says(&ingest, "store", "down").await?;
        let detail = store_detail(&ingest).await?;
        assert!(detail.contains("is its disk mounted?"), "{detail}");
        // Neither now nor after a restart.
        ingest.crash().await?;
        ingest = world.start("ingest", &[]).await?;
        says(&ingest, "store", "down").await?;
        assert_eq!(fs::read_dir(world.path("store"))?.count(), 0);
        assert_eq!(world.database.number("SELECT count(*) FROM data_files").await?, 1);

        fs::remove_dir(world.path("store"))?;
        fs::rename(world.path("unmounted"), world.path("store"))?;
        world.report("accepted", "b.csv").await?;
        says(&ingest, "store", "up").await
    })
    .await
}

/// F8: a store that has another system's marker is not written into, and the reason is told.
#[tokio::test]
async fn the_store_of_another_system_is_not_written_into() -> Result<()> {
    in_world(|world| async move {
        fs::create_dir_all(world.path("store"))?;
        let marker = world.path("store/lapidary-system");
        fs::write(&marker, "00000000-0000-0000-0000-000000000001\n")?;
        let ingest = world.start("ingest", &[]).await?;
        world.drop_file("a.csv", &diamonds(100, 1))?;
        says(&ingest, "store", "down").await?;
        let detail = store_detail(&ingest).await?;
        assert!(detail.contains("delete the marker"), "{detail}");
        assert_eq!(fs::read_dir(world.path("store"))?.count(), 1);
        fs::remove_file(marker)?;
        world.report("accepted", "a.csv").await?;
        Ok(())
    })
    .await
}

/// The only object of a kind.
fn object(world: &World, kind: &str) -> Result<std::path::PathBuf> {
    let part = fs::read_dir(world.path("store").join(kind))?
        .next()
        .context("none")??;
    Ok(fs::read_dir(part.path())?.next().context("none")??.path())
}

/// F8: what the store lost of a file is put back when its content is dropped again, whichever part it was.
#[tokio::test]
async fn lost_rows_are_put_back_when_their_file_is_dropped_again() -> Result<()> {
    in_world(|world| async move {
        let ingest = world.start("ingest", &[]).await?;
        let content = diamonds(100, 1);
        // The last row repeats the first, so the batch is not the file as it stands.
        let first = content[HEADER.len()..]
            .split_inclusive(|byte| *byte == b'\n')
            .next()
            .context("no row")?;
        let content = [&content[..], first].concat();
        world.drop_file("a.csv", &content)?;
        world.report("accepted", "a.csv").await?;
        let (batch, hashes) = (object(&world, "batches")?, object(&world, "hashes")?);
        let whole = (fs::read(&batch)?, fs::read(&hashes)?);
        fs::remove_file(&batch)?;
        fs::write(&hashes, &whole.1[..40])?;
        ingest.crash().await?;

        let ingest = world.start("ingest", &[]).await?;
        world.drop_file("other.csv", &diamonds(100, 2))?;
        says(&ingest, "store", "down").await?;
        world.drop_file("a-again.csv", &content)?;
        until("the lost rows", async || {
            let now = fs::read(&batch).ok().zip(fs::read(&hashes).ok());
            Ok((now.as_ref() == Some(&whole)).then_some(()))
        })
        .await?;
        let other = world.report("accepted", "other.csv").await?;
        assert_eq!(other["rows_known"], 0);
        says(&ingest, "store", "up").await?;
        ingest
            .logged("an object that was missing or damaged was written again")
            .await?;
        Ok(())
    })
    .await
}
