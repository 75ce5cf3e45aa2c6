//! Which batches are needed, and deleting those that are not.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use domain::{PromotionNumber, Sha256, decision::Verb, file::FileStatus};
use storage::{
    Database, Store,
    decisions::{Order, Ordered},
    intake::Kept,
};
use tempfile::TempDir;
use url::Url;

use crate::support::{accept_rows, claimed, file, finish, kept, over_registry};

const LONG: Duration = Duration::from_secs(600);

/// A registry and a store, with a batch for each file: its name.
struct Shop {
    registry: Database,
    store: Store,
    _folder: TempDir,
}

impl Shop {
    fn open(registry: Database) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = Url::from_directory_path(folder.path());
        Ok(Self {
            registry,
            store: Store::open(&url.ok().context("no folder")?)?,
            _folder: folder,
        })
    }

    async fn keep(&self, name: &str) -> Result<Kept> {
        Ok(Kept {
            batch: self.store.put_batch(name.into()).await?,
            ..kept()
        })
    }

    async fn accept(&self, name: &str) -> Result<()> {
        accept_rows(&self.registry, name, &self.keep(name).await?).await
    }

    async fn decide(&self, verb: Verb, name: &str) -> Result<Ordered> {
        let order = Order {
            sha256: file(name).sha256,
            verb,
            reason: "a test".to_owned(),
            decided_by: "anna".to_owned(),
        };
        Ok(self.registry.decide(&order, &self.store).await?)
    }

    async fn withdraw(&self, name: &str) -> Result<()> {
        self.decide(Verb::Withdraw, name).await?;
        let decisions = self.registry.open_decisions().await?;
        let change = self.registry.begin_decided().await?;
        assert!(change.withdraw_decided(&decisions[0], 1, None).await?);
        Ok(())
    }

    /// The names whose batches are needed, of those told.
    async fn needed<'a>(&self, names: &[&'a str]) -> Result<BTreeSet<&'a str>> {
        let needed = self.registry.needed_batches().await?;
        let is_needed = |name: &&str| needed.contains(&Sha256::of(name.as_bytes()));
        Ok(names.iter().copied().filter(is_needed).collect())
    }

    async fn delete(&self, name: &str, before: DateTime<Utc>) -> Result<bool> {
        let batch = Sha256::of(name.as_bytes());
        Ok(self
            .registry
            .delete_unneeded_batch(&self.store, batch, before)
            .await?)
    }
}

#[tokio::test]
async fn needed_are_the_newest_version_the_champions_runs_under_way_and_held_files() -> Result<()> {
    over_registry(|registry, _| async move {
        let shop = Shop::open(registry)?;
        let registry = &shop.registry;
        let all = ["a", "b", "c", "held", "rejected", "orphan"];
        assert!(registry.needed_batches().await?.is_empty());
        shop.keep("orphan").await?;
        shop.accept("a").await?;
        finish(registry, &claimed(registry, LONG).await?, None).await?;
        shop.accept("b").await?;
        let under_way = claimed(registry, LONG).await?;
        shop.accept("c").await?;
        let held = domain::file::DataFile {
            status: FileStatus::Held,
            held: Some("unlike".to_owned()),
            ..file("held")
        };
        registry
            .record_held(&mut held.clone(), &shop.keep("held").await?)
            .await?;
        let rejected = domain::file::DataFile {
            status: FileStatus::Rejected,
            rejection: Some("bad".to_owned()),
            ..file("rejected")
        };
        registry.record_rejection(&mut rejected.clone()).await?;
        for name in ["a", "b", "c"] {
            shop.withdraw(name).await?;
        }
        shop.accept("d").await?;

        // The champion was trained on a; the run under way is on a and b.
        assert_eq!(shop.needed(&all).await?, ["a", "b", "held"].into());
        assert!(shop.needed(&["d"]).await?.contains("d"));
        finish(registry, &under_way, Some(PromotionNumber::FIRST)).await?;
        assert_eq!(
            shop.needed(&all).await?,
            ["a", "b", "held"].into(),
            "a new champion"
        );
        let newest = claimed(registry, LONG).await?;
        finish(registry, &newest, PromotionNumber::FIRST.next().into()).await?;
        assert_eq!(shop.needed(&all).await?, ["held"].into());

        shop.decide(Verb::Accept, "c").await?;
        assert_eq!(
            shop.needed(&all).await?,
            ["c", "held"].into(),
            "it is about to be accepted again"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn only_old_batches_that_nothing_needs_are_deleted() -> Result<()> {
    over_registry(|registry, _| async move {
        let shop = Shop::open(registry)?;
        let (past, future) = (DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC);
        shop.accept("a").await?;
        shop.accept("b").await?;
        shop.withdraw("a").await?;
        assert!(!shop.delete("a", past).await?, "it is too new");
        assert!(!shop.delete("b", future).await?, "the newest version needs it");
        shop.decide(Verb::Accept, "a").await?;
        assert!(
            !shop.delete("a", future).await?,
            "it is about to be accepted again"
        );

        shop.keep("orphan").await?;
        assert!(shop.delete("orphan", future).await?);
        assert!(!shop.delete("orphan", future).await?, "it is gone");
        let batches = shop.store.batches().await?;
        let left: BTreeSet<_> = batches.iter().map(|batch| batch.sha256).collect();
        assert_eq!(left, [Sha256::of(b"a"), Sha256::of(b"b")].into());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_withdrawn_file_whose_rows_are_gone_cannot_be_accepted_again() -> Result<()> {
    over_registry(|registry, _| async move {
        let shop = Shop::open(registry)?;
        shop.accept("a").await?;
        shop.withdraw("a").await?;
        assert!(shop.delete("a", DateTime::<Utc>::MAX_UTC).await?);
        assert_eq!(shop.decide(Verb::Accept, "a").await?, Ordered::NoRows);
        assert!(shop.registry.open_decisions().await?.is_empty());
        Ok(())
    })
    .await
}
