//! Files that were judged and could not be moved: they are not judged again.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};

use domain::file::DataFile;

use crate::reading::Snapshot;

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
