//! Which files of the inbox are ready: those that were closed or renamed into it, and those that have been still.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use ::service::config::Ingest;
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::intake::{Intake, Taken};

/// Names that wait until they are renamed.
const UNFINISHED: [&str; 3] = ["part", "tmp", "crdownload"];
/// More changes than this are found by looking through the inbox.
const MOST_CHANGES: usize = 1024;
const BUSY_AFTER: Duration = Duration::from_millis(50);

/// The inbox folder, watched.
pub(crate) struct Inbox {
    folder: PathBuf,
    settle: Duration,
    scan_interval: Duration,
    changes: mpsc::Receiver<PathBuf>,
    _watcher: Option<RecommendedWatcher>,
}

/// A file as it was seen, and since when it has been so.
struct Seen {
    size: u64,
    modified: Option<SystemTime>,
    since: Instant,
    closed: bool,
}

impl Inbox {
    /// Makes the folders that are missing, and watches.
    pub(crate) fn open(settings: &Ingest) -> anyhow::Result<Self> {
        for folder in ["accepted", "rejected"] {
            std::fs::create_dir_all(settings.inbox.join(folder))?;
        }
        let (sender, changes) = mpsc::channel(MOST_CHANGES);
        let watcher = watch(&settings.inbox, sender);
        if let Err(error) = &watcher {
            warn!(%error, "the inbox cannot be watched; it is looked through at intervals");
        }
        Ok(Self {
            folder: settings.inbox.clone(),
            settle: settings.settle,
            scan_interval: settings.scan_interval,
            changes,
            _watcher: watcher.ok(),
        })
    }

    /// Takes file after file until told to stop.
    pub(crate) async fn run(mut self, mut intake: Intake, stop: CancellationToken) -> anyhow::Result<()> {
        let mut seen = HashMap::new();
        while !stop.is_cancelled() {
            self.look(&mut seen);
            let ready: Vec<_> = ready(&seen, self.settle);
            metrics::gauge!("lapidary_files_waiting").set(seen.len() as f64);
            for path in ready {
                if stop.is_cancelled() {
                    return Ok(());
                }
                match intake.take(&path).await {
                    Ok(Taken::Done) => drop(seen.remove(&path)),
                    Ok(Taken::Changed) => drop(seen.remove(&path)),
                    Err(error) => {
                        warn!(file = %path.display(), error = format!("{error:#}"), "a file waits");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
            let pause = if seen.is_empty() {
                self.scan_interval
            } else {
                BUSY_AFTER.max(self.settle / 4)
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(path) = self.changes.recv() => note_closed(&mut seen, path),
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }

    fn look(&mut self, seen: &mut HashMap<PathBuf, Seen>) {
        while let Ok(path) = self.changes.try_recv() {
            note_closed(seen, path);
        }
        let paths: Vec<_> = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| is_wanted(path))
                .collect(),
            Err(error) => {
                warn!(%error, "the inbox cannot be read");
                return;
            }
        };
        seen.retain(|path, _| paths.contains(path));
        for path in paths {
            note(seen, path);
        }
    }
}

/// Only regular files of the right name count; symbolic links and everything else stay where they are.
fn is_wanted(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let unfinished = UNFINISHED
        .iter()
        .any(|ending| name.ends_with(&format!(".{ending}")));
    !name.starts_with('.')
        && !unfinished
        && name.ends_with(".csv")
        && path.symlink_metadata().is_ok_and(|meta| meta.is_file())
}

fn note(seen: &mut HashMap<PathBuf, Seen>, path: PathBuf) {
    let Ok(meta) = path.symlink_metadata() else { return };
    let (size, modified) = (meta.len(), meta.modified().ok());
    let now = Instant::now();
    let entry = seen.entry(path).or_insert(Seen {
        size,
        modified,
        since: now,
        closed: false,
    });
    if (entry.size, entry.modified) != (size, modified) {
        *entry = Seen {
            size,
            modified,
            since: now,
            closed: false,
        };
    }
}

fn note_closed(seen: &mut HashMap<PathBuf, Seen>, path: PathBuf) {
    if is_wanted(&path) {
        note(seen, path.clone());
        if let Some(entry) = seen.get_mut(&path) {
            entry.closed = true;
        }
    }
}

fn ready(seen: &HashMap<PathBuf, Seen>, settle: Duration) -> Vec<PathBuf> {
    let still = |file: &Seen| file.closed || file.since.elapsed() >= settle;
    let mut paths: Vec<_> = seen
        .iter()
        .filter(|(_, file)| still(file))
        .map(|(path, _)| path.clone())
        .collect();
    paths.sort();
    paths
}

fn watch(folder: &Path, sender: mpsc::Sender<PathBuf>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        for path in event
            .ok()
            .filter(is_closing)
            .map(|event| event.paths)
            .unwrap_or_default()
        {
            // A change that finds no place is found at the next look.
            let _ = sender.try_send(path);
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

fn is_closing(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_hidden_and_linked_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["good.csv", ".hidden.csv", "half.csv.part", "picture.png"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(folder.path().join("good.csv"), folder.path().join("link.csv")).unwrap();
        let wanted = |name: &str| is_wanted(&folder.path().join(name));
        assert!(wanted("good.csv"));
        assert!(
            !wanted(".hidden.csv")
                && !wanted("half.csv.part")
                && !wanted("picture.png")
                && !wanted("link.csv")
        );
    }
}
