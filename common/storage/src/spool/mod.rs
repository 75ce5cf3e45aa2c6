//! The spool: where traffic records wait, on this machine's disk, while Postgres takes none.
//!
//! A folder with numbered files, each a row of frames with checksums (`frame`). A group of records is appended and
//! synced before anybody relies on it. One process at a time holds a folder, by a lock on it. The oldest file goes
//! when all of its records are in Postgres; they go there by their ids, so doing it twice does no harm.

mod claim;
mod frame;
mod segment;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use domain::traffic::TrafficRecord;

use segment::{ASIDE, Segment};
pub use segment::{Ending, Reader};

/// A file that has grown to this is followed by the next.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Why records are not in the spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It would hold more than it may.
    #[error("the spool is full: it holds {bytes} of {limit} bytes")]
    Full {
        /// What it holds.
        bytes: u64,
        /// What it may hold.
        limit: u64,
    },
    /// Another process holds the folder.
    #[error("the spool {0:?} belongs to a process that runs")]
    Taken(PathBuf),
    /// A file of it could not be read or written.
    #[error("the spool {path:?}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// One process's spool.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limit: u64,
    /// Of all files; apart from the lock, so that nobody waits for a disk to learn it.
    bytes: AtomicU64,
    files: Mutex<Files>,
}

#[derive(Debug)]
struct Files {
    /// Held for as long as the process lives.
    lock: File,
    open: Option<Segment>,
    /// Files that are not written to any more, by number, with their length.
    sealed: BTreeMap<u64, u64>,
    last: u64,
}

/// A file that can be drained.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Where it is.
    pub path: PathBuf,
    number: u64,
    bytes: u64,
}

/// Why a file is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// Its end is no record.
    Torn,
    /// The disk does not read it.
    Unreadable,
}

impl Spool {
    /// Claims the first numbered folder under `root` that no running process holds, with what is in it.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, locked or read.
    pub fn open(root: &Path, limit: u64) -> Result<Self, SpoolError> {
        let (folder, lock) = claim::first_free(root)?;
        Self::over(folder, lock, limit)
    }

    /// Claims exactly this folder, which must be there.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Taken`] while a process that runs holds it.
    pub fn claim(folder: &Path) -> Result<Self, SpoolError> {
        let lock = claim::exactly(folder)?;
        Self::over(folder.to_owned(), lock, u64::MAX)
    }

    fn over(folder: PathBuf, lock: File, limit: u64) -> Result<Self, SpoolError> {
        let sealed = segment::list(&folder).map_err(at(&folder))?;
        Ok(Self {
            bytes: AtomicU64::new(sealed.values().sum()),
            files: Mutex::new(Files {
                lock,
                open: None,
                last: sealed.keys().next_back().copied().unwrap_or(0),
                sealed,
            }),
            folder,
            limit,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// What it may hold, in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Since when the oldest file has been there; none when there is nothing.
    #[must_use]
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        let files = self.files();
        let open = files.open.as_ref().map(|segment| segment.number);
        let number = files.sealed.keys().next().copied().or(open)?;
        drop(files);
        let file = fs::metadata(segment::path(&self.folder, number)).ok()?;
        file.created().or_else(|_| file.modified()).ok().map(Into::into)
    }

    /// Appends a group and syncs it; blocks for as long as the disk takes. All of it is kept, or none counts.
    ///
    /// # Errors
    ///
    /// When the group does not fit, or the disk does not take it.
    pub fn append(&self, records: &[&TrafficRecord]) -> Result<(), SpoolError> {
        let mut group = Vec::new();
        for record in records {
            frame::encode(record, &mut group);
        }
        let mut files = self.files();
        let bytes = self.bytes();
        if bytes + group.len() as u64 > self.limit {
            return Err(SpoolError::Full {
                bytes,
                limit: self.limit,
            });
        }
        self.append_to_open(&mut files, &group)
            .or_else(|_| self.append_to_open(&mut files, &group))
    }

    /// A file whose write or sync failed is not written to again: what the disk holds of it is not known, and nothing
    /// behind a torn frame is ever read.
    fn append_to_open(&self, files: &mut Files, group: &[u8]) -> Result<(), SpoolError> {
        let mut segment = match files.open.take() {
            Some(segment) => segment,
            None => self.create(files)?,
        };
        let before = segment.bytes;
        let appended = segment.append(group).map_err(at(&segment.path));
        self.bytes.fetch_add(segment.bytes - before, Ordering::AcqRel);
        let is_over = appended.is_err() || segment.bytes >= SEGMENT_BYTES;
        files.open = Some(segment);
        if is_over {
            self.seal_open(files);
        }
        appended
    }

    /// Makes the next file; and the folder, if somebody has deleted that.
    fn create(&self, files: &mut Files) -> Result<Segment, SpoolError> {
        if !self.folder.is_dir() {
            claim::make(&self.folder)?;
            files.lock = claim::exactly(&self.folder)?;
        }
        let segment = loop {
            files.last += 1;
            match Segment::create(&self.folder, files.last) {
                // Somebody has put it there: it is drained after a restart.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => break created.map_err(at(&self.folder))?,
            }
        };
        self.bytes.fetch_add(segment.bytes, Ordering::AcqRel);
        Ok(segment)
    }

    fn seal_open(&self, files: &mut Files) {
        if let Some(segment) = files.open.take() {
            files.sealed.insert(segment.number, segment.bytes);
        }
    }

    /// Every file with records, the oldest first; the next group goes into another.
    #[must_use]
    pub fn seal(&self) -> Vec<Sealed> {
        let mut files = self.files();
        self.seal_open(&mut files);
        let sealed = files.sealed.iter().map(|(number, bytes)| Sealed {
            path: segment::path(&self.folder, *number),
            number: *number,
            bytes: *bytes,
        });
        sealed.collect()
    }

    /// Removes a file whose records are all kept elsewhere.
    ///
    /// # Errors
    ///
    /// When the disk does not do so.
    pub fn remove(&self, sealed: &Sealed) -> Result<(), SpoolError> {
        match fs::remove_file(&sealed.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&sealed.path)(error)),
            _ => {}
        }
        self.forget(sealed);
        Ok(())
    }

    /// Puts a file aside, under another name, for somebody to look at: it, or its end, cannot be read.
    ///
    /// # Errors
    ///
    /// When the disk does not do so.
    pub fn put_aside(&self, sealed: &Sealed, why: Aside) -> Result<PathBuf, SpoolError> {
        let aside = sealed.path.with_extension(match why {
            Aside::Torn => "torn",
            Aside::Unreadable => "unreadable",
        });
        fs::rename(&sealed.path, &aside).map_err(at(&sealed.path))?;
        self.forget(sealed);
        Ok(aside)
    }

    /// Forgets a file that is not there any more.
    pub fn forget(&self, sealed: &Sealed) {
        if self.files().sealed.remove(&sealed.number).is_some() {
            self.bytes.fetch_sub(sealed.bytes, Ordering::AcqRel);
        }
    }

    /// Keeps a record that Postgres refuses, beside the others and for good.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub fn keep_refused(&self, record: &TrafficRecord) -> Result<PathBuf, SpoolError> {
        let mut bytes = Vec::new();
        frame::encode(record, &mut bytes);
        let path = self.folder.join(format!("{}.{ASIDE}", record.id));
        segment::write_whole(&self.folder, &path, &bytes).map_err(at(&path))?;
        Ok(path)
    }

    /// A panic while it was locked leaves it whole: files are added and taken one at a time.
    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io { path, source }
}

#[cfg(test)]
mod tests;
