//! The inbox folder: its files are taken one after the other, and decisions on them carried out.

mod candidates;
mod trouble;
mod watch;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use ::service::{config::Ingest, error::chain, health::Health};
use anyhow::Context as _;
use notify::RecommendedWatcher;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    archive,
    intake::{Intake, Taken},
    metrics,
    progress::Progress,
};
use candidates::Candidates;
use trouble::Troubles;

/// More changes than this are found by looking through the inbox.
const MOST_CHANGES: usize = 1024;
const BUSY_AFTER: Duration = Duration::from_millis(50);

/// Whether files are left that could be taken at once.
#[derive(PartialEq)]
enum Ready {
    None,
    More,
}

/// The inbox folder, watched.
pub(crate) struct Inbox {
    folder: PathBuf,
    settle: Duration,
    scan_interval: Duration,
    stall_after: Duration,
    candidates: Candidates,
    troubles: Troubles,
    progress: Progress,
    /// When decisions are carried out again; after one that could not be, later each time.
    decide_at: Instant,
    failed_decisions: u32,
    changes: mpsc::Receiver<PathBuf>,
    _watcher: Option<RecommendedWatcher>,
}

impl Inbox {
    /// Makes the folders that are missing, and watches.
    pub(crate) fn open(settings: &Ingest, health: &Health) -> anyhow::Result<Self> {
        archive::make_folders(&settings.inbox)?;
        archive::sweep(&settings.inbox)
            .with_context(|| format!("cannot look through {}", settings.inbox.display()))?;
        std::fs::create_dir_all(&settings.scratch)
            .with_context(|| format!("cannot make {}", settings.scratch.display()))?;
        let (sender, changes) = mpsc::channel(MOST_CHANGES);
        let watcher = watch::watch(&settings.inbox, sender);
        if let Err(error) = &watcher {
            warn!(
                error = chain(error),
                "the inbox cannot be watched; it is looked through at intervals"
            );
        }
        let troubles = Troubles::register(health);
        Ok(Self {
            folder: settings.inbox.clone(),
            settle: settings.settle,
            scan_interval: settings.scan_interval,
            stall_after: settings.stall_after,
            candidates: Candidates::default(),
            progress: Progress::new(troubles.watchdog(settings.stall_after)),
            troubles,
            decide_at: Instant::now(),
            failed_decisions: 0,
            changes,
            _watcher: watcher.ok(),
        })
    }

    /// What tells readiness that the loop makes progress.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Takes file after file until told to stop.
    pub(crate) async fn run(mut self, mut intake: Intake, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            self.progress.begins("looking through the inbox".to_owned());
            self.look();
            self.carry_out(&mut intake).await;
            if self.take_ready(&mut intake, &stop).await == Ready::More {
                continue;
            }
            self.progress.idle();
            let pause = if self.candidates.is_empty() {
                self.scan_interval
            } else {
                BUSY_AFTER.max(self.settle / 4)
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(path) = self.changes.recv() => self.candidates.closed(path),
                () = sleep(pause) => {}
            }
        }
        Ok(())
    }

    fn look(&mut self) {
        while let Ok(path) = self.changes.try_recv() {
            self.candidates.closed(path);
        }
        let made = archive::make_folders(&self.folder);
        let entries = std::fs::read_dir(&self.folder).map(|entries| {
            self.candidates
                .see(entries.flatten().map(|entry| entry.path()).collect());
        });
        match made.and(entries) {
            Ok(()) => self.troubles.over(&self.folder),
            Err(error) => self.troubles.tell(&self.folder, &error.into()),
        }
        let Self {
            folder,
            candidates,
            troubles,
            ..
        } = self;
        troubles.keep(|path| candidates.has(path) || path.starts_with(&*folder) && path.is_dir());
        troubles.restless(candidates.restless(self.settle, self.stall_after));
        metrics::waiting(self.candidates.len(), self.candidates.oldest());
        metrics::left(self.candidates.left());
    }

    async fn carry_out(&mut self, intake: &mut Intake) {
        if Instant::now() < self.decide_at {
            return;
        }
        self.progress.begins("carrying out decisions".to_owned());
        let held = self.folder.join("held");
        match intake.carry_out().await {
            Ok(()) => {
                self.failed_decisions = 0;
                self.troubles.over(&held);
            }
            Err(error) => {
                self.failed_decisions += 1;
                self.troubles.tell(&held, &error);
            }
        }
        // A try can take as long as the dataset is large, and files have to be taken meanwhile.
        let pause = self
            .scan_interval
            .saturating_mul(1 << self.failed_decisions.min(3));
        self.decide_at = Instant::now() + pause;
    }

    /// Takes what is ready, until it is time to look around again.
    async fn take_ready(&mut self, intake: &mut Intake, stop: &CancellationToken) -> Ready {
        let started = Instant::now();
        let mut ready = Ready::None;
        for path in self.candidates.ready(self.settle) {
            if stop.is_cancelled() || started.elapsed() >= self.scan_interval {
                return Ready::More;
            }
            self.progress.begins(format!("taking {}", path.display()));
            match intake.take(&path).await {
                Ok(taken) => {
                    self.troubles.over(&path);
                    match taken {
                        Taken::Done => {
                            metrics::taken(self.candidates.waited(&path));
                            self.candidates.forget(&path);
                        }
                        Taken::Changed => {
                            info!(file = %path.display(), "it changed meanwhile, and is read again");
                            self.candidates.changed(&path);
                        }
                        Taken::Unfinished => ready = Ready::More,
                    }
                }
                Err(error) => {
                    self.troubles.tell(&path, &error);
                    self.candidates.retry_later(&path);
                }
            }
        }
        ready
    }
}
