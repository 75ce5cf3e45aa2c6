//! Files under private names, where nobody replaces them.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions, TryLockError},
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use domain::Sha256;
use tempfile::NamedTempFile;
use tracing::{info, warn};

use super::{FOLDERS, Moving, numbered};
use crate::{
    progress::Progress,
    reading::{self, Snapshot},
    regular,
};

/// What the names of our private folders begin with; each holds one file, under its own name.
const PRIVATE: &str = ".taken-";
/// What the names of files begin with that are not complete yet.
const STAGED: &str = ".staged-";
/// In the name of a file whose place was taken when it was put back.
const AGAIN: &str = "again";

/// A file that was renamed into a private folder beside it.
#[derive(Debug)]
pub(super) struct Taken {
    /// Where it was.
    original: PathBuf,
    /// Where it is.
    path: PathBuf,
    folder: PathBuf,
    /// Locked while this process lives, so that no other takes the folder for a leftover.
    _lock: File,
}

impl Taken {
    /// Takes the file at `path`, whatever it is by now; none when there is nothing any more.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new()
            .prefix(PRIVATE)
            .tempdir_in(parent)?
            .keep();
        let lock = regular::open_folder(&folder)?;
        // A file system without locks has one ingest.
        let _ = lock.try_lock();
        let taken = Self {
            original: path.to_owned(),
            path: folder.join(path.file_name().unwrap_or_default()),
            folder,
            _lock: lock,
        };
        match fs::rename(path, &taken.path) {
            Ok(()) => Ok(Some(taken)),
            Err(error) => {
                taken.release();
                match error.kind() {
                    io::ErrorKind::NotFound => Ok(None),
                    _ => Err(error),
                }
            }
        }
    }

    /// Where it is now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its own name.
    pub(super) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Whether it is the file that was read; where files have no lasting identity, or times change with the name,
    /// its content decides.
    pub(super) fn is(&self, read: &Snapshot, sha256: Sha256, progress: &Progress) -> io::Result<bool> {
        let Some(now) = reading::open(&self.path)? else {
            return Ok(false);
        };
        if now.snapshot.is_of_same_file(read) {
            return Ok(true);
        }
        let is_as_long = now.snapshot.bytes == read.bytes;
        let digest = is_as_long
            .then(|| reading::digest(&self.path, progress))
            .transpose()?;
        Ok(digest.flatten().is_some_and(|(_, digest)| digest == sha256))
    }

    /// Puts it back where it was; when that name is taken again, under another.
    pub(super) fn put_back(self) -> io::Result<()> {
        let folder = self.original.parent().unwrap_or(Path::new(".")).to_owned();
        self.put_into(&folder)
    }

    /// Puts it into a folder, from where it is taken as any other file.
    pub(super) fn put_into(self, folder: &Path) -> io::Result<()> {
        put_into(&self.path, folder)?;
        self.release();
        Ok(())
    }

    /// Removes the private folder, now that it is empty.
    pub(super) fn release(self) {
        if let Err(error) = fs::remove_dir(&self.folder) {
            warn!(folder = %self.folder.display(), %error, "a private folder is left until the next start");
        }
    }
}

fn put_into(path: &Path, folder: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default();
    let mut moving = Moving::from(path);
    for number in 0.. {
        if moving.try_to(&folder.join(numbered(name, AGAIN, number)))? {
            break;
        }
    }
    Ok(())
}

/// An unfinished file in the folder of `path`, locked while this process lives; deleted if it stays unfinished.
pub(super) fn staged(path: &Path, permissions: Permissions) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new()
        .prefix(STAGED)
        .permissions(permissions)
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Puts back, or removes, what a process that was killed has left in the inbox and its folders.
pub(crate) fn sweep(inbox: &Path) -> io::Result<()> {
    for folder in FOLDERS
        .iter()
        .map(|folder| inbox.join(folder))
        .chain([inbox.to_owned()])
    {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, name, kind) = (entry.path(), entry.file_name(), entry.file_type()?);
            let swept = match name.as_bytes() {
                name if name.starts_with(PRIVATE.as_bytes()) && kind.is_dir() => sweep_taken(&path, &folder),
                name if name.starts_with(STAGED.as_bytes()) && kind.is_file() => sweep_staged(&path),
                _ => Ok(()),
            };
            if let Err(error) = swept {
                warn!(file = %path.display(), %error, "a leftover cannot be swept up");
            }
        }
    }
    Ok(())
}

fn sweep_taken(private: &Path, folder: &Path) -> io::Result<()> {
    if is_in_use(&regular::open_folder(private)?) {
        return Ok(());
    }
    for entry in fs::read_dir(private)? {
        let path = entry?.path();
        put_into(&path, folder)?;
        info!(file = %path.display(), "put back a file that was being moved when ingest ended");
    }
    fs::remove_dir(private)
}

fn sweep_staged(path: &Path) -> io::Result<()> {
    match regular::open(path)? {
        Some(file) if !is_in_use(&file) => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// Whether a living process works on it.
fn is_in_use(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}
