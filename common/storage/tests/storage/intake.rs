//! Accepting and rejecting files.

use anyhow::Result;
use domain::file::FileStatus;
use serde_json::json;
use storage::{StorageError, intake::Acceptance};
use testkit::{Proxy, TestDatabase};

use crate::support::{accept, connect, connect_by, file, over_registry};

#[tokio::test]
async fn files_accepted_at_once_make_versions_without_gaps() -> Result<()> {
    over_registry(|registry, raw| async move {
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let registry = registry.clone();
                tokio::spawn(async move { accept(&registry, &format!("{n}.csv")).await })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        let versions = raw.query("SELECT version FROM datasets ORDER BY version").await?;
        assert_eq!(
            versions,
            (1..=20).map(|n| json!({"version": n})).collect::<Vec<_>>()
        );
        assert_eq!(
            raw.number("SELECT rows FROM datasets WHERE version = 20").await?,
            20
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn accepted_content_is_known_for_ever_and_rejected_content_is_judged_anew() -> Result<()> {
    over_registry(|registry, _| async move {
        let mut rejected = file("a.csv");
        rejected.status = FileStatus::Rejected;
        rejected.rejection = Some("half of its rows are bad".to_owned());
        rejected.ignored_columns = vec!["nul\0".to_owned()];
        registry.record_rejection(&mut rejected.clone()).await?;
        rejected.rejection = Some("again".to_owned());
        registry.record_rejection(&mut rejected.clone()).await?;
        let kept = registry.data_file(rejected.sha256).await?.unwrap();
        assert_eq!(kept.rejection.as_deref(), Some("again"));
        assert_eq!(kept.ignored_columns, ["nul\u{fffd}"]);

        accept(&registry, "a.csv").await?;
        registry.record_rejection(&mut rejected.clone()).await?;
        assert_eq!(
            registry.data_file(rejected.sha256).await?.unwrap().status,
            FileStatus::Accepted
        );
        let again = registry.begin_acceptance(rejected.sha256).await?;
        assert!(matches!(again, Acceptance::Known(_)), "{again:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_database_that_is_behind_is_refused_with_the_command_that_mends_it() -> Result<()> {
    let raw = TestDatabase::empty().await?;
    let refused = connect(&raw).await;
    raw.delete().await?;
    let Err(error @ StorageError::Behind { .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(error.to_string().contains("run `migrations up`"), "{error}");
    Ok(())
}

/// W6: after a lost answer the rejection was recorded, and told, a second time.
#[tokio::test]
async fn a_rejection_whose_commit_lost_its_answer_is_told_once() -> Result<()> {
    over_registry(|_, raw| async move {
        let way = Proxy::start(raw.url()).await?;
        let registry = connect_by(&way.url()).await?;
        let mut rejected = file("a.csv");
        rejected.status = FileStatus::Rejected;
        rejected.rejection = Some("no rows".to_owned());
        way.lose_commit_after("INSERT INTO \"data_files\"");
        registry.record_rejection(&mut rejected).await?;
        way.lost_commit().await;
        assert_eq!(raw.number("SELECT count(*) FROM events").await?, 1);
        Ok(())
    })
    .await
}

/// W6: nor is an acceptance an error whose commit was done.
#[tokio::test]
async fn an_acceptance_whose_commit_lost_its_answer_is_a_success() -> Result<()> {
    over_registry(|_, raw| async move {
        let way = Proxy::start(raw.url()).await?;
        let registry = connect_by(&way.url()).await?;
        way.lose_commit_after("INSERT INTO \"data_files\"");
        accept(&registry, "a.csv").await?;
        way.lost_commit().await;
        assert_eq!(raw.number("SELECT count(*) FROM datasets").await?, 1);
        Ok(())
    })
    .await
}
