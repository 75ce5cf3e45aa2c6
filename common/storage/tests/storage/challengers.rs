//! Whether training still comes to something.

use std::time::Duration;

use anyhow::Result;
use domain::{DatasetVersion, ModelKind, PromotionNumber};
use storage::{challengers::UnusableVersions, runs::finish::Finish};

use crate::support::{accept, claimed, finish, over_registry, terms};

const LONG: Duration = Duration::from_secs(600);

/// F9: the newest dataset versions without a model that passed its checks are counted, with the last reason.
#[tokio::test]
async fn dataset_versions_without_a_usable_challenger_are_counted() -> Result<()> {
    over_registry(|registry, _raw| async move {
        assert_eq!(registry.unusable_versions().await?, UnusableVersions::default());
        for (name, expected) in [("a.csv", 1), ("b.csv", 2)] {
            accept(&registry, name).await?;
            let lease = claimed(&registry, LONG).await?;
            let under_way = registry.unusable_versions().await?.count;
            assert_eq!(under_way, expected - 1, "a run under way says nothing yet");
            registry.fail_run(&lease, &format!("{name} is odd"), &[]).await?;
            let unusable = registry.unusable_versions().await?;
            assert_eq!(unusable.count, expected);
        }
        assert_eq!(
            registry.unusable_versions().await?.reason.as_deref(),
            Some("b.csv is odd")
        );
        accept(&registry, "c.csv").await?;
        let lease = claimed(&registry, LONG).await?;
        finish(&registry, &lease, None).await?;
        assert_eq!(registry.unusable_versions().await?, UnusableVersions::default());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_late_model_on_an_older_dataset_version_makes_no_newer_one_unusable() -> Result<()> {
    over_registry(|registry, _raw| async move {
        accept(&registry, "a.csv").await?;
        accept(&registry, "b.csv").await?;
        let newest = claimed(&registry, LONG).await?;
        assert_eq!(newest.dataset_version, DatasetVersion::FIRST.next());
        finish(&registry, &newest, None).await?;
        let late = registry
            .open_run(ModelKind::Linear, DatasetVersion::FIRST, &terms(LONG))
            .await?;
        let finished = finish(&registry, &late, Some(PromotionNumber::FIRST)).await?;
        assert!(matches!(finished, Finish::Committed(_)), "{finished:?}");
        assert_eq!(registry.unusable_versions().await?, UnusableVersions::default());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_rows_of_a_dataset_version_are_told() -> Result<()> {
    over_registry(|registry, _raw| async move {
        assert!(registry.dataset_rows(DatasetVersion::FIRST).await.is_err());
        accept(&registry, "a.csv").await?;
        assert_eq!(registry.dataset_rows(DatasetVersion::FIRST).await?, 1);
        Ok(())
    })
    .await
}
