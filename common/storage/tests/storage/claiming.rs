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
        let claim = registry.claim_run(ModelKind::Linear, &terms(OVER)).await?;
        assert!(
            matches!(&claim, Claim::GivenUp { lease, .. } if lease.run_id == run),
            "{claim:?}"
        );
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
        assert!(
            registry
                .requeue_run(&second, "no luck", &[], Duration::ZERO)
                .await?
        );
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
        registry.requeue_run(&waiting, "try again", &[], LONG).await?;
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

/// W1: whoever claimed next took the run at once, so that its three attempts were over within seconds.
#[tokio::test]
async fn a_run_that_failed_is_claimed_by_nobody_before_its_time() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let first = claimed(&registry, LONG).await?;
        assert!(registry.requeue_run(&first, "no luck", &[], LONG).await?);
        for trainer in ["first", "second"] {
            let mut terms = terms(LONG);
            terms.worker = trainer.to_owned();
            let claim = registry.claim_run(ModelKind::Linear, &terms).await?;
            assert!(
                matches!(claim, Claim::Later(wait) if wait <= LONG && wait > LONG / 2),
                "{trainer}: {claim:?}"
            );
        }
        raw.execute("UPDATE training_runs SET not_before = clock_timestamp()")
            .await?;
        let second = claimed(&registry, LONG).await?;
        assert_eq!((second.run_id, second.attempt), (first.run_id, 2));
        Ok(())
    })
    .await
}

/// W1: nor by a claim that looks for runs which somebody asked for.
#[tokio::test]
async fn a_run_on_demand_that_failed_waits_as_well_and_holds_up_no_other() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let asked = registry
            .open_run(ModelKind::Linear, DatasetVersion::FIRST, &terms(LONG))
            .await?;
        assert!(registry.requeue_run(&asked, "no luck", &[], LONG).await?);
        let automatic = claimed(&registry, LONG).await?;
        assert_ne!(automatic.run_id, asked.run_id);
        finish(&registry, &automatic, None).await?;
        let claim = registry.claim_run(ModelKind::Linear, &terms(LONG)).await?;
        assert!(matches!(claim, Claim::Later(_)), "{claim:?}");
        Ok(())
    })
    .await
}

/// W12: a run whose `trainer run` was killed stayed `running` where nobody served its kind.
#[tokio::test]
async fn silent_runs_of_kinds_that_nobody_trains_are_released_with_a_word() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let version = DatasetVersion::FIRST;
        let asked = registry
            .open_run(ModelKind::Xgboost, version, &terms(OVER))
            .await?;
        let Claim::Claimed(automatic) = registry.claim_run(ModelKind::ElasticNet, &terms(OVER)).await? else {
            panic!("it was not claimed");
        };
        let own = claimed(&registry, OVER).await?;

        let linear = [ModelKind::Linear];
        let none = registry.release_abandoned_runs(&linear, LONG).await?;
        assert!(none.is_empty(), "their own trainers come first: {none:?}");
        let released = registry.release_abandoned_runs(&linear, Duration::ZERO).await?;
        assert_eq!(released.len(), 2, "{released:?}");

        let asked = registry.run(asked.run_id).await?.unwrap();
        assert_eq!(asked.status, RunStatus::Failed);
        let error = asked.error.unwrap();
        assert!(error.contains("trainer run --kind xgboost"), "{error}");
        let automatic = registry.run(automatic.run_id).await?.unwrap();
        assert_eq!((automatic.status, automatic.crashes), (RunStatus::Queued, 1));
        assert!(automatic.log[0].contains("fell silent"), "{:?}", automatic.log);
        let own = registry.run(own.run_id).await?.unwrap();
        assert_eq!(own.status, RunStatus::Running, "it is claimed again instead");
        Ok(())
    })
    .await
}

/// W12: a trainer of the kind that is at work will come to its other runs.
#[tokio::test]
async fn silent_runs_of_a_kind_with_a_live_run_are_left_to_its_trainer() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        for lease in [OVER, LONG] {
            registry
                .open_run(ModelKind::Xgboost, DatasetVersion::FIRST, &terms(lease))
                .await?;
        }
        let released = registry.release_abandoned_runs(&[], Duration::ZERO).await?;
        assert!(released.is_empty(), "{released:?}");
        Ok(())
    })
    .await
}
