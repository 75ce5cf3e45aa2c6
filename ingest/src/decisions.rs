//! Carrying out what operators decided on held and accepted files.

use std::{io, path::Path};

use domain::{
    decision::Verb,
    file::{DataFile, FileStatus},
};
use storage::{StorageError, decisions::OpenDecision};
use tracing::{info, warn};

use crate::{
    archive,
    intake::{Intake, blocking},
    progress::Progress,
    reading,
};

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
                    if let Some(newest) = self.backend.database.newest_dataset().await? {
                        self.merge_batches(newest).await;
                    }
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

    /// Moves the files out of `held/` that wait no longer; one that cannot be moved holds up no other.
    async fn clear_held(&self) -> anyhow::Result<()> {
        let inbox = self.inbox.clone();
        let (held, failed) = tokio::task::spawn_blocking(move || archive::held(&inbox)).await??;
        let mut failed = failed.map(anyhow::Error::from);
        for (path, sha256) in held {
            let file = self.backend.database.data_file(sha256).await?;
            let Some(file) = file.filter(|file| file.status != FileStatus::Held) else {
                continue;
            };
            let (inbox, progress) = (self.inbox.clone(), self.progress.clone());
            if let Err(error) = blocking(&path, move |path| clear(&inbox, path, &file, &progress)).await {
                failed.get_or_insert(error.context(format!("{} cannot be moved", path.display())));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Moves a file, on which was decided, out of `held/`.
fn clear(inbox: &Path, path: &Path, file: &DataFile, progress: &Progress) -> io::Result<()> {
    let rows = archive::rejected_rows(path)?;
    match reading::digest(path, progress)? {
        Some((snapshot, sha256)) if sha256 == file.sha256 => {
            archive::store(inbox, path, &snapshot, file, rows.as_ref(), progress)?;
        }
        _ => {
            warn!(file = %path.display(), "this is not the file that was held; it is put into the inbox and judged anew");
            archive::put_into_inbox(inbox, path)?;
        }
    }
    archive::forget(path)
}

/// Whether no decision can be carried out now.
fn is_unavailable(error: &anyhow::Error) -> bool {
    let mut storage = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<StorageError>());
    storage.any(StorageError::is_unavailable)
}
