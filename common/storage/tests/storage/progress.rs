//! What a run tells while it runs.

use std::time::Duration;

use anyhow::Result;
use domain::{ModelVersion, run::Progress};
use storage::runs::finish::Finish;

use crate::support::{accept, claimed, finish, over_registry, trial};

const LONG: Duration = Duration::from_secs(600);
const OVER: Duration = Duration::ZERO;

fn progress(done: u32) -> Progress {
    Progress {
        done,
        total: 4,
        best_mae: Some(301.0),
    }
}

#[tokio::test]
async fn progress_and_trials_can_be_seen_while_the_run_runs() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let lease = claimed(&registry, LONG).await?;
        assert!(registry.note_progress(&lease, progress(1), &[trial(1)]).await?);
        assert!(registry.note_progress(&lease, progress(2), &[trial(2)]).await?);
        let run = registry.run(lease.run_id).await?.unwrap();
        assert_eq!(run.progress, Some(progress(2)));
        assert_eq!(run.trials, Some(vec![trial(1), trial(2)]));
        let events = "SELECT count(*) FROM events WHERE type = 'run.progressed'";
        assert_eq!(raw.number(events).await?, 2);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn trials_that_could_not_be_noted_are_there_once_the_run_has_ended() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let lease = claimed(&registry, LONG).await?;
        registry.note_progress(&lease, progress(1), &[trial(1)]).await?;
        assert_eq!(
            finish(&registry, &lease, None).await?,
            Finish::Committed(ModelVersion::FIRST)
        );
        assert_eq!(registry.trials(lease.run_id).await?, [trial(1), trial(2)]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_attempt_that_was_taken_over_notes_nothing_and_its_trials_go() -> Result<()> {
    over_registry(|registry, _| async move {
        accept(&registry, "a.csv").await?;
        let slow = claimed(&registry, OVER).await?;
        registry.note_progress(&slow, progress(3), &[trial(3)]).await?;
        claimed(&registry, LONG).await?;
        assert!(!registry.note_progress(&slow, progress(4), &[trial(4)]).await?);
        let run = registry.run(slow.run_id).await?.unwrap();
        assert_eq!((run.progress, run.trials), (None, Some(Vec::new())));
        Ok(())
    })
    .await
}
