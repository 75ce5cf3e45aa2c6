//! Ending runs: fencing, the sequence of promotions, events.

use std::time::Duration;

use anyhow::Result;
use domain::{ModelVersion, PromotionNumber, run::RunStatus};
use storage::runs::finish::Finish;

use crate::support::{accept, claimed, finish, over_registry};

const LONG: Duration = Duration::from_secs(600);
const OVER: Duration = Duration::ZERO;

#[tokio::test]
async fn only_the_attempt_that_holds_the_run_commits() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let slow = claimed(&registry, OVER).await?;
        let quick = claimed(&registry, LONG).await?;
        assert_eq!(finish(&registry, &slow, None).await?, Finish::LeaseLost);
        assert!(!registry.fail_run(&slow, "too late", &[]).await?);
        assert!(!registry.requeue_run(&slow, "too late", &[], OVER).await?);
        assert_eq!(
            finish(&registry, &quick, None).await?,
            Finish::Committed(ModelVersion::FIRST)
        );
        assert_eq!(
            finish(&registry, &quick, None).await?,
            Finish::LeaseLost,
            "a run ends once"
        );
        assert_eq!(raw.number("SELECT count(*) FROM models").await?, 1);
        assert_eq!(raw.number("SELECT count(*) FROM promotions").await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_champion_that_moved_meanwhile_changes_nothing_and_asks_for_another_judgement() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let older = claimed(&registry, LONG).await?;
        accept(&registry, "b.csv").await?;
        let newer = claimed(&registry, LONG).await?;
        finish(&registry, &newer, None).await?;

        assert_eq!(finish(&registry, &older, None).await?, Finish::ChampionMoved);
        assert_eq!(
            registry.run(older.run_id).await?.unwrap().status,
            RunStatus::Running
        );
        let again = finish(&registry, &older, Some(PromotionNumber::FIRST)).await?;
        assert_eq!(again, Finish::Committed(ModelVersion::FIRST.next()));
        let champion = registry.champion().await?.unwrap();
        assert_eq!((champion.promotion.get(), champion.model.version.get()), (2, 2));
        assert_eq!(
            champion.model.lineage.files.map(|files| files.len()),
            Some(1),
            "the older dataset version's own files"
        );
        assert_eq!(
            raw.number("SELECT count(*) FROM events WHERE type = 'model.ready'")
                .await?,
            2
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_failed_run_is_kept_with_its_error() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let lease = claimed(&registry, LONG).await?;
        assert!(
            registry
                .fail_run(&lease, "too few samples\0", &["line".to_owned()])
                .await?
        );
        let run = registry.run(lease.run_id).await?.unwrap();
        assert_eq!(
            (run.status, run.error.as_deref()),
            (RunStatus::Failed, Some("too few samples\u{fffd}"))
        );
        assert_eq!(run.log, ["line"]);
        assert_eq!(
            raw.number("SELECT count(*) FROM events WHERE type = 'run.failed'")
                .await?,
            1
        );
        Ok(())
    })
    .await
}

/// W6: after a lost answer, the attempt whose model is committed was told that another trainer has its run.
#[tokio::test]
async fn an_attempt_finds_the_model_that_it_committed_and_no_other_does() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let slow = claimed(&registry, OVER).await?;
        let quick = claimed(&registry, LONG).await?;
        assert!(registry.model_of_attempt(&quick).await?.is_none());
        finish(&registry, &quick, None).await?;
        let (version, verdict) = registry.model_of_attempt(&quick).await?.unwrap();
        assert_eq!((version, verdict.promoted), (ModelVersion::FIRST, true));
        assert!(registry.model_of_attempt(&slow).await?.is_none());
        assert!(registry.is_last_attempt(&quick).await? && !registry.is_last_attempt(&slow).await?);
        Ok(())
    })
    .await
}
