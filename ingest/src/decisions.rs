//! Carrying out what operators decided on held and accepted files.

use anyhow::Context as _;
use domain::{decision::Verb, file::FileStatus};
use storage::{StorageError, decisions::OpenDecision, intake::OpenChange};
use tracing::info;

use crate::{archive, intake::Intake, known};

impl Intake {
    /// Carries out every decision that waits, oldest first. One that cannot be carried out holds up no other.
    pub(crate) async fn carry_out(&mut self) -> anyhow::Result<()> {
        let mut failed = None;
        for decision in self.backend.database.open_decisions().await? {
            let (verb, file) = (decision.decision.decision, &decision.file);
            match self.carry_out_one(&decision).await {
                Ok(true) => {
                    info!(file.name, file.sha256 = %file.sha256, %verb, reason = decision.decision.reason, "carried out a decision");
                    self.backend.relay_now();
                }
                Ok(false) => {}
                Err(error) if is_unavailable(&error) => return Err(error),
                Err(error) => {
                    let what = format!("the decision to {verb} {} ({}) waits", file.name, file.sha256);
                    failed.get_or_insert(error.context(what));
                }
            }
        }
        self.clear_held().await?;
        failed.map_or(Ok(()), Err)
    }

    /// False when it was done meanwhile.
    async fn carry_out_one(&mut self, decision: &OpenDecision) -> anyhow::Result<bool> {
        match decision.decision.decision {
            Verb::Accept => self.accept_decided(decision).await,
            Verb::Reject => Ok(self.backend.database.reject_held(decision).await?),
            Verb::Withdraw => self.withdraw(decision).await,
        }
    }

    async fn accept_decided(&mut self, decision: &OpenDecision) -> anyhow::Result<bool> {
        let hashes = known::distinct_of(&self.backend, &self.rules.scratch, decision.batch).await?;
        let change = self.begin().await?;
        let rows_known = self.known.count(&hashes.hashes)? + hashes.repeats;
        Ok(change.accept_decided(decision, rows_known).await?)
    }

    async fn withdraw(&mut self, decision: &OpenDecision) -> anyhow::Result<bool> {
        let newest = self.backend.database.newest_dataset().await?;
        let newest = newest.context("there is no dataset to withdraw from")?;
        // This takes as long as the dataset is large: nobody waits for it, and Postgres ends no idle transaction.
        let rows = self
            .known
            .rows_without(&self.backend, newest, decision.file.sha256)
            .await?;
        let change = self.backend.database.begin_decided().await?;
        if change.newest().map(|now| now.version) != Some(newest) {
            // Another ingest was faster; the decision stays open and is looked at again.
            change.give_up().await?;
            return Ok(false);
        }
        Ok(change.withdraw_decided(decision, rows).await?)
    }

    async fn begin(&mut self) -> anyhow::Result<OpenChange> {
        let change = self.backend.database.begin_decided().await?;
        if let Some(newest) = change.newest() {
            self.known.catch_up(&self.backend, newest.version).await?;
        }
        Ok(change)
    }

    /// Moves the files out of `held/` that wait no longer.
    async fn clear_held(&self) -> anyhow::Result<()> {
        let inbox = self.inbox.clone();
        let held = tokio::task::spawn_blocking(move || archive::held(&inbox)).await??;
        for (path, sha256) in held {
            let file = self.backend.database.data_file(sha256).await?;
            if let Some(file) = file.filter(|file| file.status != FileStatus::Held) {
                let inbox = self.inbox.clone();
                tokio::task::spawn_blocking(move || {
                    let rows = archive::rejected_rows(&path)?;
                    archive::store(&inbox, &path, &file, rows.as_ref())?;
                    archive::forget(&path)
                })
                .await??;
            }
        }
        Ok(())
    }
}

/// Whether no decision can be carried out now.
fn is_unavailable(error: &anyhow::Error) -> bool {
    let mut storage = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<StorageError>());
    storage.any(StorageError::is_unavailable)
}
