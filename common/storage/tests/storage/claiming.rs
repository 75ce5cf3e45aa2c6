//! Claiming runs.

use std::time::Duration;

use anyhow::Result;
use domain::{DatasetVersion, ModelKind, run::RunStatus};
use storage::run_claim::Claim;

use crate::support::{accept, claimed, finish, now, over_registry, terms};

const LONG: Duration = Duration::from_secs(600);
/// Over as soon as it is given.
const OVER: Duration = Duration::ZERO;

#[tokio::test]
async fn many_versions_make_one_run_on_the_newest() -> Result<()> {
    over_registry(|registry, raw| async move {
        for n in 0..50 {
            accept(&registry, &format!("{n}.csv")).await?;
        }
        let lease = claimed(&registry, LONG).await?;
        assert_eq!(lease.dataset_version.get(), 50);
        finish(&registry, &lease, None).await?;
        assert_eq!(
            registry.claim_run(ModelKind::Linear, &terms(LONG), now()).await?,
            Claim::NothingToDo
        );
        assert_eq!(raw.number("SELECT count(*) FROM training_runs").await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_live_lease_is_waited_for_and_one_that_is_over_is_taken_over() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let first = claimed(&registry, LONG).await?;
        assert_eq!(
            registry.claim_run(ModelKind::Linear, &terms(LONG), now()).await?,
            Claim::Busy
        );
        assert!(registry.renew_lease(&first, OVER).await?);
        let second = claimed(&registry, LONG).await?;
        assert_eq!((second.run_id, second.attempt), (first.run_id, 2));
        assert!(
            !registry.renew_lease(&first, LONG).await?,
            "the first has lost it"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn attempts_that_never_end_are_given_up_at_the_limit() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let run = claimed(&registry, OVER).await?.run_id;
        claimed(&registry, OVER).await?;
        assert_eq!(
            registry.claim_run(ModelKind::Linear, &terms(OVER), now()).await?,
            Claim::NothingToDo
        );
        let run = registry.run(run).await?.unwrap();
        assert_eq!(run.status, RunStatus::Failed);
        assert!(run.error.unwrap().contains("2 attempts"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_newer_version_supersedes_waiting_runs_and_never_started_ones() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let waiting = claimed(&registry, LONG).await?;
        registry.requeue_run(&waiting, "try again", &[]).await?;
        accept(&registry, "b.csv").await?;
        let started = claimed(&registry, LONG).await?;
        assert_eq!(started.dataset_version, DatasetVersion::FIRST.next());
        accept(&registry, "c.csv").await?;
        let newest = claimed(&registry, LONG).await?;
        assert_eq!(newest.dataset_version.get(), 3);

        let status = async |id| anyhow::Ok(registry.run(id).await?.unwrap().status);
        assert_eq!(status(waiting.run_id).await?, RunStatus::Superseded);
        assert_eq!(status(started.run_id).await?, RunStatus::Running);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_older_run_whose_trainer_died_is_finished_after_the_newest() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let abandoned = claimed(&registry, OVER).await?;
        accept(&registry, "b.csv").await?;
        let newest = claimed(&registry, LONG).await?;
        finish(&registry, &newest, None).await?;
        let resumed = claimed(&registry, LONG).await?;
        assert_eq!((resumed.run_id, resumed.attempt), (abandoned.run_id, 2));
        Ok(())
    })
    .await
}
