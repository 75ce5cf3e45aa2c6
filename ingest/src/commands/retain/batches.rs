//! Batches that nothing in use needs.

use std::collections::HashSet;

use ::service::config::Config;
use anyhow::{Context as _, ensure};
use chrono::{DateTime, Days, Utc};
use domain::Sha256;
use storage::{Database, DatabaseSettings, Store, store::KeptBatch};

use super::found::{Found, Target};

/// An intake may be about to name a younger batch.
const YOUNGEST: Days = Days::new(1);

/// The batches, and what is known of them.
pub(super) struct Batches {
    database: Database,
    store: Store,
    before: DateTime<Utc>,
}

impl Batches {
    pub(super) async fn open(config: &Config, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let settings = DatabaseSettings::for_command(config.postgres.url.clone(), "ingest retain");
        let database = Database::connect(&settings).await;
        Ok(Self {
            database: database.context("what is in use cannot be asked for in Postgres")?,
            store: Store::open(&config.store.url).context("cannot open the object store")?,
            before: now
                .checked_sub_days(YOUNGEST)
                .context("there is no yesterday on this clock")?,
        })
    }

    /// Those that are old enough and not needed, the oldest first.
    pub(super) async fn find(&self) -> anyhow::Result<Vec<Found>> {
        // In this order: what is kept and named meanwhile is found to be needed.
        let kept = self.store.batches().await?;
        let needed = self.database.needed_batches().await?;
        self.check(&kept, &needed).await?;
        let mut unneeded: Vec<_> = kept
            .iter()
            .filter(|batch| batch.since < self.before && !needed.contains(&batch.sha256))
            .collect();
        unneeded.sort_by_key(|batch| (batch.since, batch.sha256));
        let batches = unneeded
            .into_iter()
            .map(|batch| found("batch", batch, Target::Batch));
        Ok(batches.chain(self.find_hashes().await?).collect())
    }

    /// Hashes of files that never became part of the dataset, or were rejected when they were held.
    async fn find_hashes(&self) -> anyhow::Result<Vec<Found>> {
        let kept = self.store.hashes().await?;
        let needed = self.database.needed_hashes().await?;
        let mut unneeded: Vec<_> = kept
            .iter()
            .filter(|hashes| hashes.since < self.before && !needed.contains(&hashes.sha256))
            .collect();
        unneeded.sort_by_key(|hashes| (hashes.since, hashes.sha256));
        let found = |hashes| found("hashes", hashes, Target::Hashes);
        Ok(unneeded.into_iter().map(found).collect())
    }

    /// Another system's database needs nothing of this store: everything would be deleted.
    async fn check(&self, kept: &[KeptBatch], needed: &HashSet<Sha256>) -> anyhow::Result<()> {
        ensure!(
            kept.is_empty() || !needed.is_empty(),
            "this database needs none of the {} batches in the store: does it belong to this store?",
            kept.len()
        );
        let kept: HashSet<_> = kept.iter().map(|batch| batch.sha256).collect();
        for batch in needed.difference(&kept) {
            ensure!(
                self.store.kept_batch(*batch).await?.is_some(),
                "the batch {batch} is needed and missing from the store: does the database belong to this store?"
            );
        }
        Ok(())
    }

    /// False when they are needed by now.
    pub(super) async fn delete_hashes(&self, hashes: Sha256) -> anyhow::Result<bool> {
        let deleted = self
            .database
            .delete_unneeded_hashes(&self.store, hashes, self.before);
        Ok(deleted.await?)
    }

    /// False when it is needed by now.
    pub(super) async fn delete(&self, batch: Sha256) -> anyhow::Result<bool> {
        let deleted = self
            .database
            .delete_unneeded_batch(&self.store, batch, self.before);
        Ok(deleted.await?)
    }
}

fn found(what: &str, object: &KeptBatch, target: fn(Sha256) -> Target) -> Found {
    Found {
        what: what.to_owned(),
        name: object.sha256.to_string(),
        bytes: object.bytes,
        since: object.since,
        target: target(object.sha256),
    }
}
