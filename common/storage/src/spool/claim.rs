//! Whose a folder is: the process's that holds the lock on the file `lock` in it.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{SpoolError, at};

/// More processes than this share no machine's folder.
const MOST: u32 = 1000;

/// Claims `ROOT/0`, `ROOT/1`, …: the first that nobody holds.
pub(super) fn first_free(root: &Path) -> Result<(PathBuf, File), SpoolError> {
    for number in 0..MOST {
        let folder = root.join(number.to_string());
        make(&folder)?;
        match exactly(&folder) {
            Ok(lock) => return Ok((folder, lock)),
            Err(SpoolError::Taken(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(SpoolError::Taken(root.to_owned()))
}

/// Makes a folder that is there even if the power goes, and so are those above it that are new.
pub(super) fn make(folder: &Path) -> Result<(), SpoolError> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|it| !it.as_os_str().is_empty());
    let above = above.unwrap_or_else(|| Path::new("."));
    make(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(at(folder)(error)),
        _ => {}
    }
    File::open(above)
        .and_then(|above| above.sync_all())
        .map_err(at(above))
}

/// Claims this folder.
pub(super) fn exactly(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(at(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Taken(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(at(&path)(error)),
    }
}
