//! Carrying out what operators decided on held and accepted files.

use anyhow::Context as _;
use domain::{decision::Verb, file::FileStatus};
use storage::{decisions::OpenDecision, intake::OpenChange};
use tracing::info;

use crate::{archive, intake::Intake, known};

impl Intake {
    /// Carries out every decision that waits, oldest first.
    pub(crate) async fn carry_out(&mut self) -> anyhow::Result<()> {
        for decision in self.backend.database.open_decisions().await? {
            let verb = decision.decision.decision;
            let done = match verb {
                Verb::Accept => self.accept_decided(&decision).await?,
                Verb::Reject => {
                    let at = self.clock.now();
                    self.backend.database.reject_held(&decision, at).await?
                }
                Verb::Withdraw => self.withdraw(&decision).await?,
            };
            if done {
                let file = &decision.file;
                info!(file.name, file.sha256 = %file.sha256, %verb, reason = decision.decision.reason, "carried out a decision");
                self.backend.relay_now();
            }
        }
        self.clear_held().await
    }

    async fn accept_decided(&mut self, decision: &OpenDecision) -> anyhow::Result<bool> {
        let hashes = known::distinct_of(&self.backend, &self.rules.scratch, decision.batch).await?;
        let change = self.begin().await?;
        let rows_known = self.known.count(&hashes.hashes)? + hashes.repeats;
        let now = self.clock.now();
        Ok(change.accept_decided(decision, rows_known, now).await?)
    }

    async fn withdraw(&mut self, decision: &OpenDecision) -> anyhow::Result<bool> {
        let change = self.begin().await?;
        let newest = change.newest().context("there is no dataset to withdraw from")?;
        let rows = self
            .known
            .rows_without(&self.backend, newest.version, decision.file.sha256)
            .await?;
        Ok(change.withdraw_decided(decision, rows, self.clock.now()).await?)
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
