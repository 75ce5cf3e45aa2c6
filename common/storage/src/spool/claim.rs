//! Whose a folder is: the process's that holds the lock on the file `lock` in it.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::{SpoolError, at};

/// More processes than this share no machine's folder.
const MOST: u32 = 1000;

/// Claims `ROOT/0`, `ROOT/1`, …: the first that nobody holds.
pub(super) fn first_free(root: &Path) -> Result<(PathBuf, File), SpoolError> {
    for number in 0..MOST {
        let folder = root.join(number.to_string());
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        match exactly(&folder) {
            Ok(lock) => return Ok((folder, lock)),
            Err(SpoolError::Taken(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(SpoolError::Taken(root.to_owned()))
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
