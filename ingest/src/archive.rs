//! Where files go afterwards: `accepted/`, `held/` or `rejected/`, each beside its report.
//!
//! A file is first renamed to a private name, where nobody can replace it, and compared with what was read; only then
//! does it go into a folder. Whatever else stood at its place is put back, to be judged by itself.

mod moving;
mod report;
mod taken;
#[cfg(test)]
mod tests;

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use ::service::failpoint;
use domain::{
    Sha256,
    file::{DataFile, FileStatus},
};
use tracing::warn;

use crate::{
    progress::Progress,
    reading::{Form, Snapshot},
    regular,
};
use moving::Moving;
pub(crate) use report::Report;
use taken::Taken;
pub(crate) use taken::sweep;

/// Every folder that files go to.
pub(crate) const FOLDERS: [&str; 3] = ["accepted", "held", "rejected"];
/// What the name of a file's report ends in.
pub(crate) const REPORT: &str = "report.json";
/// What the name of a file's rejected rows ends in.
pub(crate) const REJECTED_ROWS: &str = "rejected.csv";
/// The longest name that most file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// What came of moving a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is in its folder.
    Archived,
    /// It is not there any more: somebody else moved or deleted it.
    Gone,
    /// Another file had come under its name, or it was written to; that one is back where it was, not judged yet.
    Replaced,
}

/// The folder for files of this status. A withdrawn file that is dropped again is not used, as a rejected one.
fn folder_of(status: FileStatus) -> &'static str {
    match status {
        FileStatus::Accepted => "accepted",
        FileStatus::Held => "held",
        FileStatus::Rejected | FileStatus::Withdrawn => "rejected",
    }
}

/// Makes the folders of `inbox` that are missing.
pub(crate) fn make_folders(inbox: &Path) -> io::Result<()> {
    FOLDERS
        .iter()
        .try_for_each(|folder| make_folder(&inbox.join(folder)))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let described =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(described)
}

/// Moves the file at `path`, if it still is the one that was read, into its folder of `inbox`, beside its report and
/// its rejected rows; nothing there is overwritten. Another ingest may be at it too: whoever comes late leaves
/// nothing behind.
///
/// # Errors
///
/// When it cannot be moved; it is back at its place then.
pub(crate) fn store(
    inbox: &Path,
    path: &Path,
    read: &Snapshot,
    file: &DataFile,
    rejected: Option<&File>,
    progress: &Progress,
) -> io::Result<Stored> {
    let folder = inbox.join(folder_of(file.status));
    make_folder(&folder)?;
    let Some(taken) = Taken::take(path)? else {
        return Ok(Stored::Gone);
    };
    failpoint::reach("taken");
    let stored = match taken.is(read, file.sha256, progress) {
        Ok(true) => put_beside_report(&taken, &folder, file, rejected).map(|()| Stored::Archived),
        Ok(false) => Ok(Stored::Replaced),
        Err(error) => Err(error),
    };
    match stored {
        Ok(Stored::Archived) => taken.release(),
        _ => taken.put_back()?,
    }
    stored
}

fn put_beside_report(
    taken: &Taken,
    folder: &Path,
    file: &DataFile,
    rejected: Option<&File>,
) -> io::Result<()> {
    let mut moving = Moving::from(taken.path());
    for number in 0.. {
        let target = folder.join(numbered(taken.name(), &file.sha256.short(), number));
        if !is_free(&target) || !report::claim(&target, file)? {
            continue;
        }
        if let Some(rows) = rejected {
            report::copy_rows(rows, &target)?;
        }
        failpoint::reach("reported");
        if moving.try_to(&target)? {
            failpoint::reach("moved");
            break;
        }
    }
    if let Err(error) = regular::open_folder(folder).and_then(|folder| folder.sync_all()) {
        // It is moved: it cannot be put back, and is found where it is unless the power goes now.
        warn!(folder = %folder.display(), %error, "a folder cannot be synced");
    }
    Ok(())
}

/// Puts the file at `path`, which nobody judged, into the inbox.
pub(crate) fn put_into_inbox(inbox: &Path, path: &Path) -> io::Result<()> {
    match Taken::take(path)? {
        Some(taken) => taken.put_into(inbox),
        None => Ok(()),
    }
}

/// Files in `held/`, with the digests that their reports name.
type HeldFiles = Vec<(PathBuf, Sha256)>;

/// The files in `held/`, with the digests that their reports name, and the first thing that went wrong.
pub(crate) fn held(inbox: &Path) -> io::Result<(HeldFiles, Option<io::Error>)> {
    let (mut held, mut failed) = (Vec::new(), None);
    for entry in fs::read_dir(inbox.join("held"))? {
        let report = entry?.path();
        let Some(target) = file_beside(&report, REPORT).filter(|target| is_there(target)) else {
            continue;
        };
        match Report::read(&report) {
            Ok(report) => held.extend(report.sha256().map(|sha256| (target, sha256))),
            Err(error) => drop(failed.get_or_insert(error)),
        }
    }
    Ok((held, failed))
}

/// Removes the reports of a file that has left the folder.
pub(crate) fn forget(target: &Path) -> io::Result<()> {
    if is_there(target) {
        return Ok(());
    }
    for ending in [REPORT, REJECTED_ROWS] {
        match fs::remove_file(beside(target, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The list of rejected rows beside a file.
pub(crate) fn rejected_rows(target: &Path) -> io::Result<Option<File>> {
    regular::open(&beside(target, REJECTED_ROWS))
}

/// Whether neither the name nor that of the rejected rows beside it is a data file's.
fn is_free(target: &Path) -> bool {
    let rows = beside(target, REJECTED_ROWS);
    !is_there(target) && !is_there(&beside(&rows, REPORT))
}

/// Whether there is anything of this name.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What stands beside a file, by the ending of its name.
pub(crate) fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The file that `path` stands beside, if its name has this ending.
pub(crate) fn file_beside(path: &Path, ending: &str) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes().strip_suffix(ending.as_bytes())?;
    Some(path.with_file_name(OsStr::from_bytes(name.strip_suffix(b".")?)))
}

/// `NAME.csv`, `NAME~MARK-1.csv`, `NAME~MARK-2.csv` …, short enough to stand beside reports.
fn numbered(name: &OsStr, mark: &str, number: u32) -> OsString {
    let longest = LONGEST_NAME - 1 - REJECTED_ROWS.len();
    if number == 0 && name.len() <= longest {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    let ending = Form::ending(bytes).map_or(0, |(ending, _)| ending.len());
    let (stem, ending) = bytes.split_at(bytes.len() - ending);
    let mark = format!("~{mark}-{number}");
    let room = longest.saturating_sub(mark.len() + ending.len());
    OsString::from_vec([shortened(stem, room), mark.as_bytes(), ending].concat())
}

/// The first bytes, without half a character.
fn shortened(stem: &[u8], room: usize) -> &[u8] {
    let is_inner = |at: &usize| stem.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let end = (0..=room.min(stem.len())).rev().find(|at| !is_inner(at));
    &stem[..end.unwrap_or_default()]
}
