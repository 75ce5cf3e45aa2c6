//! Rejecting files that must not be read: larger than any file may be, or deadly.

use std::path::Path;

use anyhow::Context as _;
use datafile::Rejection;

use crate::{
    intake::{Intake, Taken, blocking, described, name_of},
    reading::{Digesting, Opened, Reading, Snapshot},
};

impl Intake {
    /// Why the file is rejected for its size or its past alone.
    pub(crate) fn must_not_be_read(&self, path: &Path, snapshot: &Snapshot) -> Option<String> {
        let limit = self.rules.limits.expanded_bytes;
        if snapshot.bytes > limit {
            return Some(Rejection::TooLarge { limit }.to_string());
        }
        let crashes = self.journal.crashes(&name_of(path), snapshot)?;
        Some(format!(
            "ingest stopped {crashes} times while reading it; its format may be damaged: write it anew, and drop it again"
        ))
    }

    /// Rejects a file of which only the digest is read, a moment at each call.
    pub(crate) async fn reject_unread(
        &mut self,
        path: &Path,
        opened: Opened,
        reason: String,
    ) -> anyhow::Result<Taken> {
        let snapshot = opened.snapshot;
        let mut digesting = match self.digesting.take() {
            Some(same) if same.is_of(path, snapshot) => same,
            Some(other) if other.is_current().unwrap_or(false) => {
                self.digesting = Some(other);
                return Ok(Taken::Unfinished);
            }
            _ => Digesting::new(path, opened),
        };
        let progress = self.progress.clone();
        let step = blocking(path, move |_| Ok((digesting.step(&progress)?, digesting)));
        let (digest, digesting) = step.await.context("the file cannot be read")?;
        let Some(sha256) = digest else {
            self.digesting = Some(digesting);
            return Ok(Taken::Unfinished);
        };
        if !digesting.is_current()? {
            return Ok(Taken::Changed);
        }
        if let Some(settled) = self.settled(sha256).await? {
            return self.put_away(path, snapshot, settled, None).await;
        }
        let file = described(path, snapshot, &Reading::unread(sha256, reason), self.clock.now());
        let taken = self.reject(path, snapshot, file, None).await?;
        // If it is dropped again, it is read again.
        self.journal.end(&name_of(path), &snapshot)?;
        Ok(taken)
    }
}
