//! Which files of the inbox are ready: those that were closed or renamed into it, and those that have been still.

use std::{
    collections::{HashMap, HashSet},
    fs::Metadata,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tracing::warn;

use crate::{
    archive,
    reading::{Form, Snapshot},
};

/// Names that wait until they are renamed.
const UNFINISHED: [&str; 3] = [".part", ".tmp", ".crdownload"];
/// How long a file waits after a failure, doubled by each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(16);
/// About how many bytes are read in a second.
const READ_A_SECOND: u64 = 50_000_000;

/// The files that wait.
#[derive(Default)]
pub(super) struct Candidates {
    seen: HashMap<PathBuf, Seen>,
    left: HashSet<PathBuf>,
}

/// A file as it was seen.
#[derive(Clone, Copy)]
struct Seen {
    snapshot: Snapshot,
    /// When there was a file of this name first.
    first: Instant,
    /// Since when it has been so.
    since: Instant,
    closed: bool,
    /// Whether the next word that it was closed or renamed may come of putting it back.
    put_back: bool,
    failures: u32,
    not_before: Option<Instant>,
}

/// What to do with something that lies in the inbox.
#[derive(Debug, PartialEq)]
enum Verdict {
    Take(Snapshot),
    /// It is not finished, or not there.
    Wait,
    /// It stays where it is, because of this.
    Leave(&'static str),
}

impl Candidates {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether the file waits.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.seen.contains_key(path)
    }

    /// How many things are left where they are.
    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    /// For how long the oldest file has waited, whether it changed meanwhile or not.
    pub(super) fn oldest(&self) -> Duration {
        let ages = self.seen.values().map(|file| file.first.elapsed());
        ages.max().unwrap_or_default()
    }

    /// The file, and its age, that has kept changing for the longest time, if that is `limit` or more.
    pub(super) fn restless(&self, settle: Duration, limit: Duration) -> Option<(&Path, Duration)> {
        let is_restless = |file: &Seen| file.since > file.first && file.since.elapsed() < settle;
        let files = self.seen.iter().filter(|(_, file)| is_restless(file));
        let ages = files.map(|(path, file)| (path.as_path(), file.first.elapsed()));
        ages.filter(|(_, age)| *age >= limit).max_by_key(|(_, age)| *age)
    }

    /// For how long a file has been as it is.
    pub(super) fn waited(&self, path: &Path) -> Duration {
        self.seen
            .get(path)
            .map(|file| file.since.elapsed())
            .unwrap_or_default()
    }

    /// Takes notice of everything that lies in the inbox.
    pub(super) fn see(&mut self, paths: HashSet<PathBuf>) {
        self.seen.retain(|path, _| paths.contains(path));
        self.left.retain(|path| paths.contains(path));
        for path in paths {
            self.note(path);
        }
    }

    /// Somebody closed a file, or renamed it.
    pub(super) fn closed(&mut self, path: PathBuf) {
        self.note(path.clone());
        if let Some(file) = self.seen.get_mut(&path) {
            file.closed = !std::mem::take(&mut file.put_back);
        }
    }

    /// The files that were closed, or have been still for `settle`: the oldest first, but for large ones, which let
    /// as much time pass as it takes to read them.
    pub(super) fn ready(&self, settle: Duration) -> Vec<PathBuf> {
        let now = Instant::now();
        let is_ready = |file: &Seen| {
            (file.closed || file.since.elapsed() >= settle) && file.not_before.is_none_or(|at| at <= now)
        };
        let mut ready: Vec<_> = self.seen.iter().filter(|(_, file)| is_ready(file)).collect();
        ready.sort_by_key(|(path, file)| (file.turn(), *path));
        ready.into_iter().map(|(path, _)| path.clone()).collect()
    }

    /// The file is taken.
    pub(super) fn forget(&mut self, path: &Path) {
        self.seen.remove(path);
    }

    /// The file changed, and must be still again. It may have been taken and put back, which says nothing about its
    /// writer.
    pub(super) fn changed(&mut self, path: &Path) {
        if let Some(file) = self.seen.get_mut(path) {
            (file.since, file.closed, file.put_back) = (Instant::now(), false, true);
        }
    }

    /// The file could not be taken.
    pub(super) fn retry_later(&mut self, path: &Path) {
        if let Some(file) = self.seen.get_mut(path) {
            let pause = FIRST_RETRY.saturating_mul(1 << file.failures.min(10));
            file.failures += 1;
            file.not_before = Instant::now().checked_add(pause.min(LAST_RETRY));
        }
    }

    fn note(&mut self, path: PathBuf) {
        match judge(&path) {
            Verdict::Wait => {}
            Verdict::Leave(reason) => {
                if self.left.insert(path.clone()) {
                    warn!(file = %path.display(), reason, "left where it is");
                }
            }
            Verdict::Take(snapshot) => {
                let now = Instant::now();
                let file = Seen {
                    snapshot,
                    first: now,
                    since: now,
                    closed: false,
                    put_back: false,
                    failures: 0,
                    not_before: None,
                };
                let seen = self.seen.entry(path).or_insert(file);
                if seen.snapshot != snapshot {
                    *seen = Seen {
                        first: seen.first,
                        put_back: seen.put_back,
                        ..file
                    };
                }
            }
        }
    }
}

impl Seen {
    /// When it is its turn. A large file does not hold up a small one that comes soon after it, and a stream of
    /// small ones does not hold it up for ever.
    fn turn(&self) -> Option<Instant> {
        let reading = Duration::from_secs(self.snapshot.bytes / READ_A_SECOND);
        self.since.checked_add(reading)
    }
}

fn judge(path: &Path) -> Verdict {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_lowercase();
    if name.starts_with('.') || UNFINISHED.iter().any(|ending| lower.ends_with(ending)) {
        return Verdict::Wait;
    }
    match path.symlink_metadata() {
        Ok(meta) => judge_kind(&name, &meta),
        Err(_) => Verdict::Wait,
    }
}

fn judge_kind(name: &str, meta: &Metadata) -> Verdict {
    if meta.is_dir() {
        let ours = archive::FOLDERS.contains(&name);
        return if ours {
            Verdict::Wait
        } else {
            Verdict::Leave("it is a folder")
        };
    }
    if meta.is_symlink() {
        return Verdict::Leave("it is a symbolic link; drop the file itself");
    }
    if !meta.is_file() {
        return Verdict::Leave("it is no regular file");
    }
    if Form::of(name).is_none() {
        return Verdict::Leave("its name does not end in .csv, .csv.gz or .parquet");
    }
    Verdict::Take(Snapshot::from(meta))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixListener};

    use super::*;

    const NO_TIME: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(3600);

    fn candidates(folder: &Path) -> Candidates {
        let mut candidates = Candidates::default();
        candidates.see(
            fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect(),
        );
        candidates
    }

    #[test]
    fn only_finished_regular_files_of_the_right_name_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let good = ["a.csv", "B.CSV", "c.csv.gz", "d.parquet", "two\nlines.csv"];
        let bad = [
            ".hidden.csv",
            "half.csv.part",
            "half.csv.TMP",
            "x.csv.crdownload",
            "picture.png",
        ];
        for name in good.iter().chain(&bad) {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("a.csv"), at("link.csv")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("outside.csv")).unwrap();
        fs::create_dir(at("folder.csv")).unwrap();
        fs::create_dir(at("accepted")).unwrap();
        let _socket = UnixListener::bind(at("socket.csv")).unwrap();

        let candidates = candidates(folder.path());
        let mut ready = candidates.ready(NO_TIME);
        ready.sort();
        let mut expected: Vec<_> = good.iter().map(|name| at(name)).collect();
        expected.sort();
        assert_eq!(ready, expected);
        let left = [
            "picture.png",
            "link.csv",
            "outside.csv",
            "folder.csv",
            "socket.csv",
        ];
        assert_eq!(candidates.left, left.iter().map(|name| at(name)).collect());
    }

    #[test]
    fn a_file_waits_until_it_is_closed_or_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "x").unwrap();
        let mut candidates = candidates(folder.path());
        assert!(candidates.ready(LONG).is_empty());
        candidates.closed(path.clone());
        assert_eq!(candidates.ready(LONG), std::slice::from_ref(&path));
        fs::write(&path, "xy").unwrap();
        candidates.see([path.clone()].into());
        assert!(candidates.ready(LONG).is_empty(), "it was written to again");
        assert_eq!(candidates.ready(NO_TIME), [path]);
    }

    /// F1: a file that is put back is renamed, which must not look as if its writer had finished.
    #[test]
    fn a_file_that_was_put_back_waits_until_its_writer_closes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "x").unwrap();
        let mut candidates = candidates(folder.path());
        candidates.closed(path.clone());
        candidates.changed(&path);
        candidates.closed(path.clone());
        assert!(candidates.ready(LONG).is_empty(), "it was us");
        candidates.closed(path.clone());
        assert_eq!(candidates.ready(LONG), [path]);
    }

    #[test]
    fn a_file_that_could_not_be_taken_lets_others_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.csv"), folder.path().join("2.csv"));
        fs::write(&one, "x").unwrap();
        fs::write(&two, "x").unwrap();
        let mut candidates = candidates(folder.path());
        candidates.retry_later(&one);
        assert_eq!(candidates.ready(NO_TIME), [two]);
    }

    /// F12: a file that takes a minute to read does not come before the small ones of that minute.
    #[test]
    fn a_large_file_lets_small_ones_go_first_though_it_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let (large, small) = (folder.path().join("1.csv"), folder.path().join("2.csv"));
        let file = fs::File::create(&large).unwrap();
        file.set_len(60 * READ_A_SECOND).unwrap();
        let mut candidates = candidates(folder.path());
        fs::write(&small, "x").unwrap();
        candidates.see([large.clone(), small.clone()].into());
        assert_eq!(candidates.ready(NO_TIME), [small, large]);
    }

    /// F11: the age of a file counts from when it was first seen.
    #[test]
    fn a_file_that_keeps_changing_grows_old_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "x").unwrap();
        let mut candidates = candidates(folder.path());
        assert_eq!(candidates.restless(LONG, NO_TIME), None, "it has not changed yet");
        let before = candidates.oldest();
        for content in ["xy", "xyz"] {
            fs::write(&path, content).unwrap();
            candidates.see([path.clone()].into());
        }
        candidates.changed(&path);
        assert!(candidates.oldest() > before);
        let (restless, age) = candidates.restless(LONG, NO_TIME).unwrap();
        assert!(restless == path && age > before);
        assert_eq!(candidates.restless(LONG, LONG), None, "not for long enough");
        assert_eq!(candidates.restless(NO_TIME, NO_TIME), None, "it is still");
        candidates.forget(&path);
        candidates.see([path].into());
        assert_eq!(candidates.restless(LONG, NO_TIME), None, "another file");
    }
}
