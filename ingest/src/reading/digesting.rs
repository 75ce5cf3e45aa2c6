//! Taking the digest of a file that is not read otherwise, however large it is: a moment at a time, so that it
//! holds up no other.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use domain::Sha256;
use sha2::Digest as _;

use super::source::{Opened, PART, Snapshot, open};
use crate::progress::Progress;

/// How long one moment is.
const MOMENT: Duration = Duration::from_millis(250);

/// A file whose digest is being taken.
#[derive(Debug)]
pub(crate) struct Digesting {
    path: PathBuf,
    opened: Opened,
    hasher: sha2::Sha256,
}

impl Digesting {
    /// Begins with the first byte.
    pub(crate) fn new(path: &Path, opened: Opened) -> Self {
        Self {
            path: path.to_owned(),
            opened,
            hasher: sha2::Sha256::new(),
        }
    }

    /// Whether the file is still at its place, and the same.
    pub(crate) fn is_current(&self) -> io::Result<bool> {
        let now = open(&self.path)?.map(|now| now.snapshot);
        Ok(now == Some(self.opened.snapshot))
    }

    /// Whether it is the file at `path`.
    pub(crate) fn is_of(&self, path: &Path, snapshot: Snapshot) -> bool {
        self.path == path && self.opened.snapshot == snapshot
    }

    /// Goes on for a moment; the digest, once the end is reached.
    pub(crate) fn step(&mut self, progress: &Progress) -> io::Result<Option<Sha256>> {
        let started = Instant::now();
        let mut part = vec![0; PART];
        while started.elapsed() < MOMENT {
            let read = self.opened.file.read(&mut part)?;
            if read == 0 {
                return Ok(Some(Sha256::finish(self.hasher.clone())));
            }
            self.hasher.update(&part[..read]);
            progress.goes_on();
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::unwatched;

    #[test]
    fn the_digest_is_of_every_byte_of_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, vec![7; 3 * PART + 1]).unwrap();
        let opened = open(&path).unwrap().unwrap();
        let snapshot = opened.snapshot;
        let mut digesting = Digesting::new(&path, opened);
        let progress = unwatched();
        let digest = loop {
            if let Some(digest) = digesting.step(&progress).unwrap() {
                break digest;
            }
        };
        assert_eq!(digest, Sha256::of(&vec![7; 3 * PART + 1]));
        assert!(digesting.is_current().unwrap() && digesting.is_of(&path, snapshot));
        fs::write(&path, "x").unwrap();
        assert!(!digesting.is_current().unwrap());
    }
}
