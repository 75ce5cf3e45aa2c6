//! Moving a file to another folder, which may be on another file system.

use std::{
    fs::{self, File, FileTimes},
    io,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};
use tempfile::NamedTempFile;
use tracing::warn;

use super::taken;
use crate::{reading::Snapshot, regular};

/// A file that is being moved; nobody else knows its name.
pub(super) struct Moving<'a> {
    from: &'a Path,
    /// Its copy on the other file system, when that is needed.
    copy: Option<NamedTempFile>,
}

impl<'a> Moving<'a> {
    pub(super) fn from(from: &'a Path) -> Self {
        Self { from, copy: None }
    }

    /// Moves it to `to`; false when that name is taken.
    pub(super) fn try_to(&mut self, to: &Path) -> io::Result<bool> {
        let copy = match self.copy.take() {
            Some(copy) => copy,
            None => match rename_new(self.from, to) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copied(self.from, to)?,
                renamed => return is_done(renamed),
            },
        };
        match copy.persist_noclobber(to) {
            Ok(_) => {
                // It is there now: an error would have it moved, and copied, once more.
                if let Err(error) = sync_parent(to).and_then(|()| fs::remove_file(self.from)) {
                    warn!(file = %to.display(), from = %self.from.display(), %error, "a file was copied, and its original is left");
                }
                Ok(true)
            }
            Err(error) => {
                self.copy = Some(error.file);
                is_done(Err(error.error))
            }
        }
    }
}

fn is_done(moved: io::Result<()>) -> io::Result<bool> {
    match moved {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        moved => moved.map(|()| true),
    }
}

/// A copy, synced, of the same mode and time, in the folder of `to`.
fn copied(from: &Path, to: &Path) -> io::Result<NamedTempFile> {
    let mut source = regular::open(from)?.ok_or(io::ErrorKind::NotFound)?;
    let before = source.metadata()?;
    let mut copy = taken::staged(to, before.permissions())?;
    io::copy(&mut source, copy.as_file_mut())?;
    if Snapshot::from(&source.metadata()?) != Snapshot::from(&before) {
        return Err(io::Error::other("it was written to while it was copied"));
    }
    let copied: &File = copy.as_file();
    copied.set_permissions(before.permissions())?;
    copied.set_times(FileTimes::new().set_modified(before.modified()?))?;
    copied.sync_all()?;
    Ok(copy)
}

/// Renames a file, and overwrites nothing.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Some network file systems know links only.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    regular::open_folder(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
