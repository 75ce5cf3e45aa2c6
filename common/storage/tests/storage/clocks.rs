//! Times are the database's, whatever the clock of the service that writes says.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use domain::{ModelKind, decision::Verb, file::FileStatus};
use storage::{Database, PageRequest, decisions::Order, intake::Acceptance, runs::claim::Claim};

use crate::support::{accept, claimed, clock, file, finish, kept, over_registry, terms};

const LONG: Duration = Duration::from_secs(600);

/// Accepts a file by a service whose clock is off by so many hours, and which took three seconds for it.
async fn accept_by_a_clock_that_is_off(registry: &Database, name: &str, hours: i64) -> Result<()> {
    let mut file = file(name);
    file.received_at =
        chrono::DateTime::from_timestamp(1_780_000_000 + hours * 3600, 0).context("no time")?;
    file.finished_at = file.received_at + TimeDelta::seconds(3);
    let Acceptance::Open(change) = registry.begin_acceptance(file.sha256).await? else {
        anyhow::bail!("{name} was accepted before");
    };
    file.dataset_version = Some(change.next_version());
    change.commit(&mut file, &kept()).await?;
    Ok(())
}

/// W13: files judged by services whose clocks are hours apart are listed in the order in which they were judged.
#[tokio::test]
async fn files_have_the_databases_times_and_keep_how_long_they_took() -> Result<()> {
    over_registry(|registry, raw| async move {
        let before = clock(&raw).await?;
        for (name, hours) in [("a.csv", 1), ("b.csv", -1), ("c.csv", 0)] {
            accept_by_a_clock_that_is_off(&registry, name, hours).await?;
        }
        let after = clock(&raw).await?;
        let page = PageRequest {
            limit: 10,
            cursor: None,
        };
        let files = registry.data_files(Default::default(), &page).await?.items;
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["c.csv", "b.csv", "a.csv"]);
        for file in &files {
            assert!(file.finished_at >= before && file.finished_at <= after, "{file:?}");
            assert_eq!(file.finished_at - file.received_at, TimeDelta::seconds(3));
        }
        let strange = format!(
            "SELECT count(*) FROM (SELECT created_at AS at FROM datasets UNION ALL SELECT created_at FROM events \
             UNION ALL SELECT (body->>'time')::timestamptz FROM events) t WHERE at NOT BETWEEN '{before}' AND '{after}'"
        );
        assert_eq!(raw.number(&strange).await?, 0);
        Ok(())
    })
    .await
}

/// W13: rejected and held files, too, and decisions on them.
#[tokio::test]
async fn rejections_holds_and_decisions_have_the_databases_times() -> Result<()> {
    over_registry(|registry, raw| async move {
        let before = clock(&raw).await?;
        let (mut rejected, mut held) = (file("rejected.csv"), file("held.csv"));
        rejected.status = FileStatus::Rejected;
        rejected.rejection = Some("bad".to_owned());
        held.status = FileStatus::Held;
        held.held = Some("unlike".to_owned());
        registry.record_rejection(&mut rejected).await?;
        registry.record_held(&mut held, &kept()).await?;
        assert!(rejected.finished_at >= before && held.finished_at >= rejected.finished_at);
        let order = Order {
            sha256: held.sha256,
            verb: Verb::Reject,
            reason: "no".to_owned(),
            decided_by: "anna".to_owned(),
        };
        let folder = tempfile::tempdir()?;
        let url = url::Url::from_directory_path(folder.path());
        let store = storage::Store::open(&url.ok().context("no folder")?)?;
        registry.decide(&order, &store).await?;
        let open = registry.open_decisions().await?;
        assert!(registry.reject_held(&open[0]).await?);
        let file = registry.data_file(held.sha256).await?.context("no file")?;
        let decision = file.decision.context("no decision")?;
        assert!(decision.decided_at >= held.finished_at, "{decision:?}");
        assert!(decision.applied_at >= Some(decision.decided_at), "{decision:?}");
        Ok(())
    })
    .await
}

/// W13: nobody who claims brings a time, so none takes over a live lease early; runs and models have the database's.
#[tokio::test]
async fn runs_and_models_have_the_databases_times() -> Result<()> {
    over_registry(|registry, raw| async move {
        accept(&registry, "a.csv").await?;
        let before = clock(&raw).await?;
        let lease = claimed(&registry, LONG).await?;
        let second = registry.claim_run(ModelKind::Linear, &terms(LONG)).await?;
        assert_eq!(second, Claim::Busy);
        finish(&registry, &lease, None).await?;
        let after = clock(&raw).await?;
        let strange = format!(
            "SELECT count(*) FROM (SELECT started_at AS at FROM training_runs UNION ALL SELECT finished_at FROM training_runs \
             UNION ALL SELECT created_at FROM models UNION ALL SELECT promoted_at FROM promotions) t \
             WHERE at NOT BETWEEN '{before}' AND '{after}'"
        );
        assert_eq!(raw.number(&strange).await?, 0);
        let run = registry.run(lease.run_id).await?.context("no run")?;
        assert!(run.finished_at >= Some(run.started_at), "{run:?}");
        Ok(())
    })
    .await
}
