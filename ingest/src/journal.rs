//! Which file is being read, on disk: one whose reading ends the process is known at the next start, and not read
//! for ever.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::reading::Snapshot;

/// After so many ends of the process in the midst of it, a file is not read again.
const MOST_CRASHES: u32 = 3;
/// Files whose crashes are remembered; the oldest are forgotten.
const MOST_SUSPECTS: usize = 64;

/// The journal of one process; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Locked while the process lives.
    file: File,
    pages: Pages,
    stopping: bool,
}

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pages {
    /// The file that is being read.
    reading: Option<Entry>,
    /// Files that were being read when the process ended, and have not been read to the end since.
    suspects: Vec<Suspect>,
}

/// A file of the inbox, as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    name: String,
    snapshot: Snapshot,
}

#[derive(Debug, Serialize, Deserialize)]
struct Suspect {
    file: Entry,
    crashes: u32,
}

impl Entry {
    fn is(&self, name: &str, snapshot: &Snapshot) -> bool {
        self.name == name && self.snapshot.is_of_same_file(snapshot)
    }
}

impl Journal {
    /// Takes a journal in `folder` that no other process holds, and looks what its last holder was at.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut number = 0;
        let file = loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(folder.join(format!("reading-{number}.json")))?;
            // A file system without locks has one ingest.
            if !matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
                break file;
            }
            number += 1;
        };
        let mut inner = Inner {
            pages: read(&file)?,
            file,
            stopping: false,
        };
        inner.blame();
        inner.write()?;
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// How often the process has ended while it read this file, if that was too often to try again.
    pub(crate) fn crashes(&self, name: &str, snapshot: &Snapshot) -> Option<u32> {
        let inner = self.lock();
        let suspect = inner.pages.suspects.iter().find(|it| it.file.is(name, snapshot));
        suspect
            .map(|suspect| suspect.crashes)
            .filter(|crashes| *crashes >= MOST_CRASHES)
    }

    /// Notes, on disk, that the file is going to be read.
    pub(crate) fn begin(&self, name: &str, snapshot: Snapshot) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.stopping {
            return Ok(());
        }
        inner.pages.reading = Some(Entry {
            name: name.to_owned(),
            snapshot,
        });
        inner.write()?;
        // The whole machine may go down with it.
        inner.file.sync_data()
    }

    /// Notes that the file was read to its end, or that nothing of the kind is to be expected from it any more.
    pub(crate) fn end(&self, name: &str, snapshot: &Snapshot) -> io::Result<()> {
        let mut inner = self.lock();
        inner.pages.reading = None;
        inner.pages.suspects.retain(|it| !it.file.is(name, snapshot));
        inner.write()
    }

    /// Notes that the process is asked to stop: its end is no file's fault from here on.
    pub(crate) fn stopping(&self) -> io::Result<()> {
        let mut inner = self.lock();
        inner.stopping = true;
        inner.pages.reading = None;
        inner.write()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts a crash against the file that was being read.
    fn blame(&mut self) {
        let Some(file) = self.pages.reading.take() else {
            return;
        };
        let suspects = &mut self.pages.suspects;
        let known = suspects.iter().position(|suspect| suspect.file == file);
        let crashes = known.map_or(0, |at| suspects.remove(at).crashes) + 1;
        warn!(file = file.name, crashes, "ingest ended while it read this file");
        suspects.push(Suspect { file, crashes });
        let surplus = suspects.len().saturating_sub(MOST_SUSPECTS);
        suspects.drain(..surplus);
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.pages)?;
        self.file.write_all_at(&text, 0)?;
        self.file.set_len(text.len() as u64)
    }
}

/// What was written last; nothing, when that was cut off.
fn read(file: &File) -> io::Result<Pages> {
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter();
    Ok(values.next().and_then(Result::ok).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::reading::open;

    fn snapshot(folder: &Path, name: &str) -> Snapshot {
        let path = folder.join(name);
        fs::write(&path, name).unwrap();
        open(&path).unwrap().unwrap().snapshot
    }

    #[test]
    fn a_file_is_blamed_for_the_third_end_in_the_midst_of_it_and_no_other_is() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (snapshot(folder.path(), "a.csv"), snapshot(folder.path(), "b.csv"));
        for crash in 1..=3 {
            let journal = Journal::open(folder.path()).unwrap();
            assert_eq!(journal.crashes("a.csv", &a), None, "before crash {crash}");
            // What is read well in between changes nothing.
            journal.begin("b.csv", b).unwrap();
            journal.end("b.csv", &b).unwrap();
            journal.begin("a.csv", a).unwrap();
        }
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.crashes("a.csv", &a), Some(3));
        assert_eq!(journal.crashes("b.csv", &b), None);
        fs::write(folder.path().join("a.csv"), "mended").unwrap();
        let dropped_again = open(&folder.path().join("a.csv")).unwrap().unwrap().snapshot;
        assert_eq!(journal.crashes("a.csv", &dropped_again), None);
    }

    #[test]
    fn a_file_that_was_read_to_its_end_begins_at_nought() {
        let folder = tempfile::tempdir().unwrap();
        let a = snapshot(folder.path(), "a.csv");
        for _ in 0..2 {
            Journal::open(folder.path()).unwrap().begin("a.csv", a).unwrap();
        }
        let journal = Journal::open(folder.path()).unwrap();
        journal.begin("a.csv", a).unwrap();
        journal.end("a.csv", &a).unwrap();
        journal.begin("a.csv", a).unwrap();
        drop(journal);
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.crashes("a.csv", &a), None);
    }

    #[test]
    fn a_stop_that_was_asked_for_is_nobodys_fault() {
        let folder = tempfile::tempdir().unwrap();
        let a = snapshot(folder.path(), "a.csv");
        for _ in 0..4 {
            let journal = Journal::open(folder.path()).unwrap();
            journal.begin("a.csv", a).unwrap();
            journal.stopping().unwrap();
        }
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.crashes("a.csv", &a), None);
    }

    #[test]
    fn two_processes_have_journals_of_their_own_and_a_torn_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let one = Journal::open(folder.path()).unwrap();
        let _two = Journal::open(folder.path()).unwrap();
        assert!(folder.path().join("reading-1.json").exists());
        drop(one);
        fs::write(folder.path().join("reading-0.json"), "{\"reading\": nu").unwrap();
        let _again = Journal::open(folder.path()).unwrap();
        assert!(!folder.path().join("reading-2.json").exists());
    }
}
