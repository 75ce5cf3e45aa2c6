//! Files that were put away long ago, with their reports.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

use super::found::{Found, Target};
use crate::{
    archive::{REJECTED_ROWS, REPORT, Report, beside, file_beside},
    reading::Form,
};

/// What belongs together.
#[derive(Debug, PartialEq)]
struct Group {
    /// A data file, or what is left of one.
    kind: Kind,
    /// The one that it is named after first, and its report last.
    paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    File,
    Stray,
}

/// What came to `folder`, which is the inbox's folder `name`, before a time: the oldest first.
pub(super) fn find(folder: &Path, name: &str, before: DateTime<Utc>) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for group in groups(&regular_files(folder)?) {
        // What is gone by now needs no deleting.
        match described(group, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            described => found.extend(Some(described?).filter(|found| found.since < before)),
        }
    }
    found.sort_by_key(|found| found.since);
    Ok(found)
}

/// The file goes first: what is left of it after a crash is found again.
pub(super) fn delete(paths: &[PathBuf]) -> io::Result<()> {
    for path in paths {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match paths.first().and_then(|path| path.parent()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn regular_files(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let mut files = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.path());
        }
    }
    Ok(files)
}

/// Sorts out what belongs to what; everything that ingest did not put there is left out.
fn groups(files: &BTreeSet<PathBuf>) -> Vec<Group> {
    let has = |path: &PathBuf| files.contains(path);
    // A file of rejected rows may have been mended and dropped: then it has a report itself.
    let is_rows = |path: &PathBuf| has(path) && !has(&beside(path, REPORT));
    let group = |path: &PathBuf| {
        if let Some(file) = file_beside(path, REPORT) {
            let rows = Some(beside(&file, REJECTED_ROWS)).filter(is_rows);
            return (!has(&file)).then(|| Group {
                kind: Kind::Stray,
                paths: rows.into_iter().chain([path.clone()]).collect(),
            });
        }
        if let Some(file) = file_beside(path, REJECTED_ROWS).filter(|_| is_rows(path)) {
            return (!has(&file) && !has(&beside(&file, REPORT))).then(|| Group {
                kind: Kind::Stray,
                paths: vec![path.clone()],
            });
        }
        is_data_file(path).then(|| {
            let rows = Some(beside(path, REJECTED_ROWS)).filter(is_rows);
            let report = Some(beside(path, REPORT)).filter(has);
            Group {
                kind: Kind::File,
                paths: [Some(path.clone()), rows, report].into_iter().flatten().collect(),
            }
        })
    };
    files.iter().filter_map(group).collect()
}

fn is_data_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && Form::of(&name).is_some()
}

fn described(group: Group, folder: &str) -> io::Result<Found> {
    let mut bytes = 0;
    for path in &group.paths {
        bytes += path.symlink_metadata()?.len();
    }
    let (first, last) = match &group.paths[..] {
        [] => return Err(io::ErrorKind::NotFound.into()),
        [first, .., last] => (first, last),
        [only] => (only, only),
    };
    let told = reported(last)?;
    let modified = DateTime::from(first.symlink_metadata()?.modified()?);
    let (what, since) = match group.kind {
        Kind::File => ("file", told.unwrap_or(modified)),
        // A report is written before its file comes, which may have been judged long before.
        Kind::Stray => ("report", told.map_or(modified, |told| told.max(modified))),
    };
    Ok(Found {
        what: format!("{folder} {what}"),
        name: one_line(first),
        bytes,
        since,
        target: Target::Files(group.paths),
    })
}

/// When a report says that the file was judged, or decided on; none when it is no report.
fn reported(path: &Path) -> io::Result<Option<DateTime<Utc>>> {
    match file_beside(path, REPORT) {
        Some(_) => Ok(Report::read(path)?.settled_at()),
        None => Ok(None),
    }
}

/// A name may hold line breaks, and codes that a terminal would follow.
fn one_line(path: &Path) -> String {
    let text = path.to_string_lossy();
    let escaped = |char: char| match char.is_control() {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use chrono::TimeDelta;

    use super::*;

    const OLD: &str = "1970-01-02T00:00:00Z";
    const LATE: &str = "2100-01-01T00:00:00Z";

    fn today() -> DateTime<Utc> {
        SystemTime::now().into()
    }

    /// A folder with these files, each as old as the epoch, or new.
    fn folder(files: &[(&str, &str, bool)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, is_old) in files {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            if *is_old {
                let day = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
                File::options()
                    .write(true)
                    .open(path)
                    .unwrap()
                    .set_modified(day)
                    .unwrap();
            }
        }
        folder
    }

    /// The names that are found, group by group.
    fn names(folder: &Path) -> Vec<(String, Vec<String>)> {
        let mut found: Vec<_> = find(folder, "accepted", today() - TimeDelta::days(1))
            .unwrap()
            .into_iter()
            .map(|found| {
                let Target::Files(paths) = found.target else {
                    unreachable!()
                };
                let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
                (found.what, paths.iter().map(name).collect::<Vec<_>>())
            })
            .collect();
        found.sort_by(|a, b| a.1.cmp(&b.1));
        found
    }

    fn report(finished_at: &str, applied_at: &str) -> String {
        format!(r#"{{"finished_at": "{finished_at}", "decision": {{"applied_at": "{applied_at}"}}}}"#)
    }

    #[test]
    fn a_report_tells_the_age_and_without_one_the_file_does() {
        let (old, late, decided) = (report(OLD, ""), report(LATE, ""), report(OLD, LATE));
        let folder = folder(&[
            ("a.csv", "", false),
            ("a.csv.report.json", &old, false),
            ("a.csv.rejected.csv", "", false),
            ("b.csv", "", true),
            ("b.csv.report.json", &late, true),
            ("c.csv.gz", "", true),
            ("d.parquet", "", false),
            ("e.csv", "", true),
            ("e.csv.report.json", "{}", true),
            ("f.csv", "", true),
            ("f.csv.report.json", &decided, true),
        ]);
        let file = |names: &[&str]| {
            (
                "accepted file".to_owned(),
                names.iter().map(|n| (*n).to_owned()).collect(),
            )
        };
        let expected = [
            file(&["a.csv", "a.csv.rejected.csv", "a.csv.report.json"]),
            file(&["c.csv.gz"]),
            file(&["e.csv", "e.csv.report.json"]),
        ];
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn a_report_without_its_file_is_found_once_it_is_old_itself() {
        let old = report(OLD, "");
        let folder = folder(&[
            ("a.csv.report.json", &old, true),
            ("a.csv.rejected.csv", "", true),
            ("b.csv.report.json", &old, false),
            ("b.csv.rejected.csv", "", false),
            ("c.csv.rejected.csv", "", true),
        ]);
        let stray = |names: &[&str]| {
            (
                "accepted report".to_owned(),
                names.iter().map(|n| (*n).to_owned()).collect(),
            )
        };
        let expected = [
            stray(&["a.csv.rejected.csv", "a.csv.report.json"]),
            stray(&["c.csv.rejected.csv"]),
        ];
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn rejected_rows_that_were_mended_and_dropped_are_a_file_of_their_own() {
        let (old, late) = (report(OLD, ""), report(LATE, ""));
        let folder = folder(&[
            ("a.csv", "", true),
            ("a.csv.report.json", &old, true),
            ("a.csv.rejected.csv", "", true),
            ("a.csv.rejected.csv.report.json", &late, true),
        ]);
        let expected = ["a.csv", "a.csv.report.json"].map(ToOwned::to_owned).to_vec();
        assert_eq!(names(folder.path()), [("accepted file".to_owned(), expected)]);
    }

    #[test]
    fn what_ingest_did_not_put_there_is_left_alone() {
        let folder = folder(&[
            ("notes.txt", "", true),
            (".a.csv", "", true),
            ("report.json", "{}", true),
        ]);
        fs::create_dir(folder.path().join("folder.csv")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link.csv")).unwrap();
        assert_eq!(names(folder.path()), []);
        assert!(
            find(&folder.path().join("none"), "accepted", today())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_name_is_shown_on_one_line() {
        assert_eq!(one_line(Path::new("ä\nb\u{1b}[2J.csv")), "ä\\nb\\u{1b}[2J.csv");
    }
}
