//! Many files at once, and files without end.

use anyhow::Result;
use serde_json::json;
use testkit::{generate::Diamonds, in_world, until};

#[tokio::test]
async fn five_hundred_files_make_five_hundred_versions_and_few_runs() -> Result<()> {
    in_world(|world| async move {
        // Before the services start, so that the files come all at once.
        for seed in 0..500 {
            world.drop_file(&format!("{seed}.csv"), &Diamonds::new(60, seed).to_bytes())?;
        }
        let _trainer = world.start("trainer", &[]).await?;
        let _ingest = world.start("ingest", &[]).await?;
        world.becomes("SELECT count(*) FROM datasets", 500).await?;
        let last = "SELECT count(*) FROM training_runs WHERE status = 'succeeded' AND dataset_version = 500";
        world.becomes(last, 1).await?;
        let gaps = "SELECT min(version) AS first, max(version) AS last, max(rows) AS rows FROM datasets";
        let expected = json!({"first": 1, "last": 500, "rows": 30_000});
        assert_eq!(world.database.query(gaps).await?, [expected]);
        let runs = world
            .database
            .number("SELECT count(*) FROM training_runs")
            .await?;
        assert!(runs <= 250, "{runs} runs");
        println!("500 files, {runs} training runs");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_ingests_on_one_inbox_take_each_content_once() -> Result<()> {
    in_world(|world| async move {
        for file in 0..60 {
            // Every content comes under two names.
            world.drop_file(&format!("{file}.csv"), &Diamonds::new(60, file / 2).to_bytes())?;
        }
        let _one = world.start("ingest", &[]).await?;
        let _two = world.start("ingest", &[]).await?;
        for file in 0..60 {
            let report = world.report("accepted", &format!("{file}.csv")).await?;
            assert_eq!(
                (&report["rows_accepted"], &report["rows_known"]),
                (&json!(60), &json!(0))
            );
        }
        let counts = "SELECT count(*) AS versions, max(version) AS last, max(rows) AS rows FROM datasets";
        let expected = json!({"versions": 30, "last": 30, "rows": 1800});
        assert_eq!(world.database.query(counts).await?, [expected]);
        // Whoever came late takes its report back.
        until("each file and its report, and nothing else", async || {
            let put_away = std::fs::read_dir(world.path("inbox/accepted"))?.count();
            Ok((put_away == 120).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test]
async fn files_without_end_starve_no_training() -> Result<()> {
    in_world(|world| async move {
        let _trainer = world.start("trainer", &[]).await?;
        let _ingest = world.start("ingest", &[]).await?;
        let succeeded = "SELECT count(*) FROM training_runs WHERE status = 'succeeded'";
        let mut dropped = 0;
        while world.database.number(succeeded).await? < 5 {
            let name = format!("{dropped}.csv");
            world.drop_file(&name, &Diamonds::new(60, dropped).to_bytes())?;
            world.report("accepted", &name).await?;
            dropped += 1;
            assert!(dropped < 2000, "{dropped} files, and no five runs succeeded");
        }
        Ok(())
    })
    .await
}
