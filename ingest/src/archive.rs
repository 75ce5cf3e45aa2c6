//! Where files go afterwards: `accepted/`, `held/` or `rejected/`, each beside its report.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use ::service::failpoint;
use domain::{
    Sha256,
    file::{DataFile, FileStatus},
};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};
use tempfile::NamedTempFile;

/// Every folder that files go to.
pub(crate) const FOLDERS: [&str; 3] = ["accepted", "held", "rejected"];
/// What the name of a file's report ends in.
pub(crate) const REPORT: &str = "report.json";
/// What the name of a file's rejected rows ends in.
pub(crate) const REJECTED_ROWS: &str = "rejected.csv";
/// The longest name that most file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// The folder for files of this status. A withdrawn file that is dropped again is not used, as a rejected one.
fn folder_of(status: FileStatus) -> &'static str {
    match status {
        FileStatus::Accepted => "accepted",
        FileStatus::Held => "held",
        FileStatus::Rejected | FileStatus::Withdrawn => "rejected",
    }
}

/// Moves `path` into its folder of `inbox`, beside its report and its rejected rows; nothing there is overwritten.
/// Another ingest may be at it too: whoever comes late leaves nothing behind.
pub(crate) fn store(inbox: &Path, path: &Path, file: &DataFile, rejected: Option<&File>) -> io::Result<()> {
    let folder = inbox.join(folder_of(file.status));
    let name = path.file_name().unwrap_or_default();
    for number in 0.. {
        if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return Ok(());
        }
        let target = folder.join(numbered(name, file.sha256, number));
        if !is_free(&target) || !claim(&target, file)? {
            continue;
        }
        if let Some(rows) = rejected {
            copy(rows, &beside(&target, REJECTED_ROWS))?;
        }
        failpoint::reach("reported");
        match rename_new(path, &target) {
            Ok(()) => {
                failpoint::reach("moved");
                return File::open(&folder)?.sync_all();
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return forget(&target),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The files in `held/`, with the digests that their reports name.
pub(crate) fn held(inbox: &Path) -> io::Result<Vec<(PathBuf, Sha256)>> {
    let mut held = Vec::new();
    for entry in fs::read_dir(inbox.join("held"))? {
        let report = entry?.path();
        let Some(target) = file_beside(&report, REPORT).filter(|target| target.exists()) else {
            continue;
        };
        held.extend(reported(&report)?.map(|sha256| (target, sha256)));
    }
    Ok(held)
}

/// Removes the reports of a file that has left the folder.
pub(crate) fn forget(target: &Path) -> io::Result<()> {
    if target.exists() {
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
    match File::open(beside(target, REJECTED_ROWS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

/// Whether neither the name nor that of the rejected rows beside it is a data file's.
fn is_free(target: &Path) -> bool {
    let rows = beside(target, REJECTED_ROWS);
    target.symlink_metadata().is_err() && !beside(&rows, REPORT).exists()
}

/// Writes the report, which claims the name; false when the name is another file's.
fn claim(target: &Path, file: &DataFile) -> io::Result<bool> {
    let path = beside(target, REPORT);
    if path.exists() && reported(&path)? != Some(file.sha256) {
        return Ok(false);
    }
    let report = written(&path, |to| Ok(serde_json::to_writer_pretty(to, file)?))?;
    if path.exists() {
        report.persist(&path)?;
        return Ok(true);
    }
    match report.persist_noclobber(&path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        claimed => claimed.map(|_| true).map_err(Into::into),
    }
}

/// A reader sees all of it, or nothing.
fn copy(mut rows: &File, path: &Path) -> io::Result<()> {
    io::Seek::rewind(&mut rows)?;
    written(path, |to| io::copy(&mut rows, to).map(drop))?.persist(path)?;
    Ok(())
}

fn written(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".")
        // For whoever may read the inbox, as far as the umask lets them.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    write(file.as_file_mut())?;
    file.flush()?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The digest that a report names; none when it is no report.
fn reported(path: &Path) -> io::Result<Option<Sha256>> {
    let bytes = fs::read(path)?;
    let report: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(report["sha256"].as_str().and_then(|text| text.parse().ok()))
}

fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // Some network file systems cannot tell; the name was free a moment ago.
        Err(Errno::EINVAL | Errno::ENOSYS) => fs::rename(from, to),
        moved => Ok(moved?),
    }
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

/// `NAME.csv`, `NAME~1a2b3c4d-1.csv`, `NAME~1a2b3c4d-2.csv` …, short enough to stand beside reports.
fn numbered(name: &OsStr, sha256: Sha256, number: u32) -> OsString {
    let longest = LONGEST_NAME - 1 - REJECTED_ROWS.len();
    if number == 0 && name.len() <= longest {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    let (stem, ending) = bytes.split_at(ending_at(bytes));
    let mark = format!("~{}-{number}", sha256.short());
    let room = longest.saturating_sub(mark.len() + ending.len());
    OsString::from_vec([shortened(stem, room), mark.as_bytes(), ending].concat())
}

/// Where `.csv`, `.csv.gz` or `.parquet` begins.
fn ending_at(name: &[u8]) -> usize {
    let lower = name.to_ascii_lowercase();
    let endings = [&b".csv.gz"[..], b".csv", b".parquet"];
    let ending = endings.iter().find(|ending| lower.ends_with(ending));
    name.len() - ending.map_or(0, |ending| ending.len())
}

/// The first bytes, without half a character.
fn shortened(stem: &[u8], room: usize) -> &[u8] {
    let is_inner = |at: &usize| stem.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let end = (0..=room.min(stem.len())).rev().find(|at| !is_inner(at));
    &stem[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::file;

    fn inbox() -> tempfile::TempDir {
        let inbox = tempfile::tempdir().unwrap();
        for folder in FOLDERS {
            fs::create_dir(inbox.path().join(folder)).unwrap();
        }
        inbox
    }

    fn drop_and_store(inbox: &Path, name: &str, content: &str) {
        let path = inbox.join(name);
        fs::write(&path, content).unwrap();
        store(inbox, &path, &file(name, content), None).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn two_files_of_one_name_stand_side_by_side() {
        let inbox = inbox();
        for content in ["one", "two", "two"] {
            drop_and_store(inbox.path(), "a.csv", content);
        }
        let two = Sha256::of(b"two").short();
        let expected = [
            "a.csv".to_owned(),
            "a.csv.report.json".to_owned(),
            format!("a~{two}-1.csv"),
            format!("a~{two}-1.csv.report.json"),
            format!("a~{two}-2.csv"),
            format!("a~{two}-2.csv.report.json"),
        ];
        assert_eq!(names(&inbox.path().join("accepted")), expected);
        assert_eq!(fs::read(inbox.path().join("accepted/a.csv")).unwrap(), b"one");
    }

    #[test]
    fn the_longest_names_and_the_strangest_are_kept() {
        let inbox = inbox();
        let long = format!("{}.csv.gz", "ä".repeat(123));
        for name in [&long, "two\nlines.csv", "blank name.parquet"] {
            drop_and_store(inbox.path(), name, name);
        }
        let names = names(&inbox.path().join("accepted"));
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(names.contains(&"two\nlines.csv.report.json".to_owned()));
        let shortened = names
            .iter()
            .find(|name| name.starts_with('ä') && name.ends_with("-0.csv.gz"));
        assert!(shortened.is_some(), "{names:?}");
    }

    #[test]
    fn a_list_of_rejected_rows_never_replaces_a_file_of_that_name() {
        let inbox = inbox();
        drop_and_store(inbox.path(), "a.csv.rejected.csv", "mended rows");
        let path = inbox.path().join("a.csv");
        fs::write(&path, "two").unwrap();
        let rows = tempfile::tempfile().unwrap();
        store(inbox.path(), &path, &file("a.csv", "two"), Some(&rows)).unwrap();
        let mended = fs::read(inbox.path().join("accepted/a.csv.rejected.csv")).unwrap();
        assert_eq!(mended, b"mended rows");
    }

    #[test]
    fn reports_are_for_everybody_whom_the_umask_lets_read() {
        let inbox = inbox();
        drop_and_store(inbox.path(), "a.csv", "one");
        let mode = |name: &str| {
            let meta = fs::metadata(inbox.path().join(name)).unwrap();
            meta.permissions().mode() & 0o777
        };
        assert_eq!(mode("accepted/a.csv.report.json"), mode("accepted/a.csv"));
    }

    #[test]
    fn a_report_left_by_a_crash_is_taken_up_again() {
        let inbox = inbox();
        let target = inbox.path().join("accepted/a.csv");
        assert!(claim(&target, &file("a.csv", "one")).unwrap());
        drop_and_store(inbox.path(), "a.csv", "one");
        assert_eq!(
            names(&inbox.path().join("accepted")),
            ["a.csv", "a.csv.report.json"]
        );
        assert!(!claim(&target, &file("a.csv", "two")).unwrap());
    }

    #[test]
    fn whoever_comes_late_leaves_nothing_behind() {
        let inbox = inbox();
        let path = inbox.path().join("a.csv");
        store(inbox.path(), &path, &file("a.csv", "one"), None).unwrap();
        assert!(names(&inbox.path().join("accepted")).is_empty());
    }

    #[test]
    fn the_reports_of_a_file_go_only_when_it_is_gone() {
        let inbox = inbox();
        drop_and_store(inbox.path(), "a.csv", "one");
        let target = inbox.path().join("accepted/a.csv");
        forget(&target).unwrap();
        assert_eq!(names(&inbox.path().join("accepted")).len(), 2);
        fs::remove_file(&target).unwrap();
        forget(&target).unwrap();
        assert!(names(&inbox.path().join("accepted")).is_empty());
    }

    #[test]
    fn a_held_file_is_found_by_its_content() {
        let inbox = inbox();
        let path = inbox.path().join("a.csv");
        fs::write(&path, "one").unwrap();
        let held = DataFile {
            status: FileStatus::Held,
            ..file("a.csv", "one")
        };
        store(inbox.path(), &path, &held, None).unwrap();
        assert_eq!(
            super::held(inbox.path()).unwrap(),
            [(inbox.path().join("held/a.csv"), Sha256::of(b"one"))]
        );
    }
}
