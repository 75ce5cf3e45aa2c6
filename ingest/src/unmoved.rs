//! Moving files that were judged; those that could not be moved are not judged again.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;
use domain::file::DataFile;
use tracing::warn;

use crate::{
    archive::{self, Stored},
    intake::{Intake, Taken, blocking},
    metrics,
    reading::Snapshot,
};

/// More are judged again: each may hold an open file.
const MOST: usize = 256;

/// By path, as they were when they were judged.
#[derive(Debug, Default)]
pub(crate) struct Unmoved(HashMap<PathBuf, Judged>);

#[derive(Debug)]
struct Judged {
    snapshot: Snapshot,
    file: DataFile,
    rejected: Option<File>,
}

impl Unmoved {
    /// Remembers what became of a file, with its rejected rows.
    pub(crate) fn insert(&mut self, path: &Path, snapshot: Snapshot, file: DataFile, rejected: Option<File>) {
        if self.0.len() >= MOST {
            self.0.retain(|path, _| path.exists());
        }
        if self.0.len() < MOST {
            let judged = Judged {
                snapshot,
                file,
                rejected,
            };
            self.0.insert(path.to_owned(), judged);
        }
    }

    /// What became of the file at `path`, if that is still the same.
    pub(crate) fn remove(&mut self, path: &Path, now: &Snapshot) -> Option<(DataFile, Option<File>)> {
        let judged = self.0.remove(path)?;
        let is_same = judged.snapshot.is_of_same_file(now);
        is_same.then_some((judged.file, judged.rejected))
    }
}

impl Intake {
    /// Moves the judged file into its folder. When that fails it is not judged again: the next try moves it.
    pub(crate) async fn put_away(
        &mut self,
        path: &Path,
        snapshot: Snapshot,
        file: DataFile,
        rejected: Option<File>,
    ) -> anyhow::Result<Taken> {
        let started = Instant::now();
        let (inbox, progress) = (self.inbox.clone(), self.progress.clone());
        let moving = blocking(path, move |path| {
            let stored = archive::store(&inbox, path, &snapshot, &file, rejected.as_ref(), &progress);
            Ok((stored, file, rejected))
        });
        let (stored, file, rejected) = moving.await?;
        metrics::step("move", started.elapsed());
        match stored {
            Ok(Stored::Archived | Stored::Gone) => Ok(Taken::Done),
            Ok(Stored::Replaced) => {
                warn!(
                    file.name, file.sha256 = %file.sha256, status = %file.status,
                    "replaced before it could be moved: its outcome stands, and what replaced it is judged by itself"
                );
                Ok(Taken::Changed)
            }
            Err(error) => {
                self.unmoved.insert(path, snapshot, file, rejected);
                Err(error).context("the file is judged, and cannot be moved")
            }
        }
    }
}
