//! What the API asks of the system: threads that answer requests, and pages of memory.

use std::{num::NonZero, thread::available_parallelism};

use anyhow::{Context as _, Result, ensure};
use testkit::in_world;

#[tokio::test]
async fn one_processor_is_left_to_what_commits_unless_it_is_set_otherwise() -> Result<()> {
    in_world(|world| async move {
        let processors = available_parallelism().map_or(1, NonZero::get);
        let usual = (processors - 1).max(1).to_string();
        for (more, expected) in [(&[][..], &*usual), (&[("TOKIO_WORKER_THREADS", "5")], "5")] {
            let api = world.start("api", more).await?;
            let workers = api.logged("listening").await?["workers"].to_string();
            ensure!(workers == expected, "{workers} workers with {more:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn memory_comes_by_small_pages() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        api.address().await?;
        let pid = api.pid().context("it has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let huge = status.lines().find(|line| line.starts_with("THP_enabled:"));
        ensure!(huge == Some("THP_enabled:\t0"), "{huge:?}");
        Ok(())
    })
    .await
}
