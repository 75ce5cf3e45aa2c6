use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{
    reading::open,
    testing::{file, unwatched},
};

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
    store_as(inbox, &path, &file(name, content), None);
}

/// Stores the file as it is now.
fn store_as(inbox: &Path, path: &Path, file: &DataFile, rejected: Option<&File>) {
    let read = open(path).unwrap().unwrap().snapshot;
    let stored = store(inbox, path, &read, file, rejected, &unwatched()).unwrap();
    assert_eq!(stored, Stored::Archived);
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
    store_as(inbox.path(), &path, &file("a.csv", "two"), Some(&rows));
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
    assert!(report::claim(&target, &file("a.csv", "one")).unwrap());
    drop_and_store(inbox.path(), "a.csv", "one");
    assert_eq!(
        names(&inbox.path().join("accepted")),
        ["a.csv", "a.csv.report.json"]
    );
    assert!(!report::claim(&target, &file("a.csv", "two")).unwrap());
}

#[test]
fn whoever_comes_late_leaves_nothing_behind() {
    let inbox = inbox();
    let path = inbox.path().join("a.csv");
    fs::write(&path, "one").unwrap();
    let read = open(&path).unwrap().unwrap().snapshot;
    fs::remove_file(&path).unwrap();
    let one = file("a.csv", "one");
    let stored = store(inbox.path(), &path, &read, &one, None, &unwatched()).unwrap();
    assert_eq!(stored, Stored::Gone);
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
    store_as(inbox.path(), &path, &held, None);
    assert_eq!(
        super::held(inbox.path()).unwrap().0,
        [(inbox.path().join("held/a.csv"), Sha256::of(b"one"))]
    );
}

/// F1: the file that was read is archived, and no other that came under its name.
#[test]
fn a_file_that_was_replaced_after_it_was_read_is_back_at_its_place() {
    let inbox = inbox();
    let path = inbox.path().join("a.csv");
    fs::write(&path, "one").unwrap();
    let read = open(&path).unwrap().unwrap();
    let one = file("a.csv", "one");
    let store_again = || store(inbox.path(), &path, &read.snapshot, &one, None, &unwatched()).unwrap();

    fs::write(inbox.path().join("b.part"), "two").unwrap();
    fs::rename(inbox.path().join("b.part"), &path).unwrap();
    assert_eq!(store_again(), Stored::Replaced);
    assert_eq!(fs::read(&path).unwrap(), b"two");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(store_again(), Stored::Replaced);
    assert!(names(&inbox.path().join("accepted")).is_empty());
    assert_eq!(names(inbox.path()), ["a.csv", "accepted", "held", "rejected"]);

    fs::remove_file(&path).unwrap();
    fs::write(&path, "one").unwrap();
    assert_eq!(store_again(), Stored::Archived, "another file of the same bytes");
}

/// F16: a folder on another file system, and one that was deleted.
#[test]
fn a_file_is_copied_to_a_folder_on_another_file_system() {
    let (inbox, other) = (inbox(), tempfile::tempdir_in("/dev/shm").unwrap());
    let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap());
    assert_ne!(device(inbox.path()), device(other.path()), "the test needs two");
    let accepted = inbox.path().join("accepted");
    fs::remove_dir(&accepted).unwrap();
    drop_and_store(inbox.path(), "a.csv", "one");
    fs::remove_dir_all(&accepted).unwrap();
    std::os::unix::fs::symlink(other.path(), &accepted).unwrap();
    for content in ["one", "two"] {
        drop_and_store(inbox.path(), "a.csv", content);
    }
    let second = format!("a~{}-1.csv", Sha256::of(b"two").short());
    let expected = [
        "a.csv".to_owned(),
        "a.csv.report.json".to_owned(),
        second.clone(),
        format!("{second}.report.json"),
    ];
    assert_eq!(names(other.path()), expected);
    assert_eq!(fs::read(other.path().join(second)).unwrap(), b"two");
    assert_eq!(names(inbox.path()), ["accepted", "held", "rejected"]);
}

/// F16: whatever a killed process left is put back or removed, and nothing of a living one.
#[test]
fn what_a_killed_process_left_is_swept_up() {
    let inbox = inbox();
    for name in ["a.csv", "b.csv", "c.csv"] {
        fs::write(inbox.path().join(name), name).unwrap();
    }
    let living = Taken::take(&inbox.path().join("a.csv")).unwrap().unwrap();
    for name in ["b.csv", "c.csv"] {
        // Its lock ends with the process.
        drop(Taken::take(&inbox.path().join(name)).unwrap().unwrap());
    }
    fs::write(inbox.path().join("c.csv"), "newer").unwrap();
    fs::write(inbox.path().join("accepted/.staged-x"), "half").unwrap();
    fs::write(inbox.path().join("accepted/.hidden"), "somebody's").unwrap();
    sweep(inbox.path()).unwrap();
    let left: Vec<_> = names(inbox.path())
        .into_iter()
        .filter(|name| name.ends_with(".csv"))
        .collect();
    assert_eq!(left, ["b.csv", "c.csv", "c~again-1.csv"]);
    assert_eq!(fs::read(inbox.path().join("c.csv")).unwrap(), b"newer");
    assert_eq!(names(&inbox.path().join("accepted")), [".hidden"]);
    living.put_back().unwrap();
    assert_eq!(fs::read(inbox.path().join("a.csv")).unwrap(), b"a.csv");
    assert_eq!(names(inbox.path()).len(), 3 + 4);
}

/// F4: neither is read, and neither is waited for.
#[test]
fn a_report_that_is_a_pipe_or_a_device_is_no_report() {
    let inbox = inbox();
    let held = inbox.path().join("held");
    for name in ["a.csv", "b.csv"] {
        fs::write(held.join(name), name).unwrap();
    }
    nix::unistd::mkfifo(&held.join("a.csv.report.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    nix::unistd::mkfifo(&held.join("a.csv.rejected.csv"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("/dev/zero", held.join("b.csv.report.json")).unwrap();
    let (found, failed) = super::held(inbox.path()).unwrap();
    assert!(found.is_empty() && failed.is_none());
    assert!(rejected_rows(&held.join("a.csv")).unwrap().is_none());
    let accepted = inbox.path().join("accepted");
    nix::unistd::mkfifo(&accepted.join("a.csv.report.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    drop_and_store(inbox.path(), "a.csv", "one");
    let number = format!("a~{}-1.csv", Sha256::of(b"one").short());
    assert!(names(&accepted).contains(&number));
}
