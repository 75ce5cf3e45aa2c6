//! Carrying out what operators decided on held and accepted files.

use domain::{decision::Verb, file::FileStatus};
use storage::{StorageError, decisions::OpenDecision};
use tracing::info;

use crate::{archive, intake::Intake};

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
            Verb::Reject => {
                let at = self.clock.now();
                Ok(self.backend.database.reject_held(decision, at).await?)
            }
            Verb::Withdraw => self.withdraw(decision).await,
        }
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
