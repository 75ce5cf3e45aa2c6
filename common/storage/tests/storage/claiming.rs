//! Claiming runs.

use std::time::Duration;

use anyhow::Result;
use domain::{DatasetVersion, ModelKind, run::RunStatus};
use serde_json::json;
use storage::runs::claim::Claim;

use crate::support::{accept, claimed, finish, over_registry, terms};

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
            registry.claim_run(ModelKind::Linear, &terms(LONG)).await?,
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
            registry.claim_run(ModelKind::Linear, &terms(LONG)).await?,
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
async fn a_run_whose_trainers_always_fall_silent_is_given_up() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let run = claimed(&registry, OVER).await?.run_id;
        for _ in 0..10 {
            claimed(&registry, OVER).await?;
        }
        assert_eq!(
            registry.claim_run(ModelKind::Linear, &terms(OVER)).await?,
            Claim::NothingToDo
        );
        let run = registry.run(run).await?.unwrap();
        assert_eq!(run.status, RunStatus::Failed);
        let error = run.error.unwrap();
        assert!(error.contains("fell silent 11 times"), "{error}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn failures_are_counted_and_work_that_is_put_back_is_not() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let first = claimed(&registry, LONG).await?;
        assert!(registry.put_back_run(&first, &["put back".to_owned()]).await?);
        let second = claimed(&registry, LONG).await?;
        assert_eq!(
            (second.run_id, second.attempt, second.failures),
            (first.run_id, 2, 0)
        );
        assert!(registry.requeue_run(&second, "no luck", &[]).await?);
        let third = claimed(&registry, LONG).await?;
        assert_eq!((third.attempt, third.failures), (3, 1));
        let run = registry.run(first.run_id).await?.unwrap();
        assert_eq!((run.failures, run.crashes, run.attempts), (1, 0, 3));
        assert!(
            !registry.put_back_run(&first, &[]).await?,
            "it is the third's by now"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_run_goes_on_with_the_settings_it_was_begun_with() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let begun = claimed(&registry, OVER).await?;
        let mut others = terms(LONG);
        (others.seed, others.settings) = (7, json!({"kind": "other"}));
        let Claim::Claimed(resumed) = registry.claim_run(ModelKind::Linear, &others).await? else {
            panic!("it was not claimed");
        };
        assert_eq!((resumed.run_id, resumed.seed), (begun.run_id, 42));
        assert_eq!(resumed.settings, json!({"kind": "linear"}));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_run_on_demand_that_was_put_back_is_gone_on_with_by_whoever_serves() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let automatic = claimed(&registry, LONG).await?;
        finish(&registry, &automatic, None).await?;
        let version = DatasetVersion::FIRST;
        let asked = registry
            .open_run(ModelKind::Linear, version, &terms(LONG))
            .await?;
        assert!(registry.put_back_run(&asked, &[]).await?);
        let resumed = claimed(&registry, LONG).await?;
        assert_eq!((resumed.run_id, resumed.attempt), (asked.run_id, 2));
        let on_demand = "SELECT count(*) FROM training_runs WHERE NOT automatic";
        assert_eq!(raw.number(on_demand).await?, 1);
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
