//! Taking one file: read, judge, keep, commit, put away.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use ::service::{
    clock::Clock,
    config::{Drift, Ingest},
    failpoint,
};
use anyhow::Context as _;
use backend::Backend;
use datafile::Limits;
use domain::{
    Sha256,
    file::{DataFile, FileStatus, Timings},
    profile::{Distribution, Profile},
    row::RowLimits,
};
use storage::{
    datasets::VersionStamp,
    intake::{Acceptance, Kept, OpenChange},
};
use tracing::{info, warn};

use crate::{
    journal::Journal,
    known::{Known, Run, is_broken_object},
    metrics,
    progress::Progress,
    reading::{self, Digesting, Good, Opened, Outcome, Reading, Rules, Snapshot},
    storing::{FileRows, NewRows},
    unmoved::Unmoved,
};

/// Rows that are judged at once, in bytes of the file.
const BLOCK_BYTES: usize = 1 << 20;
/// A longer row rejects the file.
const RECORD_BYTES: usize = 1 << 20;

/// So often others may commit first; then what they brought is taken out while they wait.
pub(crate) const MOST_LOSSES: u32 = 2;

/// Takes files; one at a time.
pub(crate) struct Intake {
    pub(crate) backend: Backend,
    pub(crate) known: Known,
    pub(crate) clock: Clock,
    pub(crate) inbox: PathBuf,
    pub(crate) rules: Rules,
    pub(crate) progress: Progress,
    pub(crate) journal: Journal,
    /// A file that is rejected unread, and of which the digest is being taken.
    pub(crate) digesting: Option<Digesting>,
    pub(crate) unmoved: Unmoved,
    drift: Drift,
    max_psi: f64,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was judged and put away, or is somebody else's by now.
    Done,
    /// It changed while it was read: wait until it is still again.
    Changed,
    /// It takes longer: others come first, and it goes on after them.
    Unfinished,
}

/// A good file on its way into the dataset.
struct Candidate {
    path: PathBuf,
    snapshot: Snapshot,
    file: DataFile,
    distribution: Distribution,
    rows: FileRows,
    new: NewRows,
    rejected: Option<File>,
}

impl Candidate {
    fn kept(&self) -> Kept {
        Kept {
            batch: self.new.batch.sha256,
            overlaps: self.new.overlaps,
            hashes: Some(self.rows.hashes_file().sha256),
            distribution: self.distribution.clone(),
        }
    }
}

/// The largest plausible values, as they are set.
fn limits(settings: &Ingest) -> RowLimits {
    RowLimits {
        carat: settings.max_carat,
        depth: settings.max_depth,
        table: settings.max_table,
        price: settings.max_price,
        length: settings.max_length_mm,
    }
}

impl Intake {
    pub(crate) fn new(
        backend: Backend,
        settings: &Ingest,
        clock: Clock,
        journal: Journal,
        progress: Progress,
    ) -> Self {
        Self {
            backend,
            known: Known::new(&settings.scratch),
            clock,
            inbox: settings.inbox.clone(),
            rules: Rules {
                scratch: settings.scratch.clone(),
                max_rejected_share: settings.max_rejected_share,
                limits: Limits {
                    record_bytes: RECORD_BYTES,
                    expanded_bytes: settings.max_file_bytes,
                    block_bytes: BLOCK_BYTES,
                    values: limits(settings),
                },
            },
            progress,
            journal,
            digesting: None,
            unmoved: Unmoved::default(),
            drift: settings.drift,
            max_psi: settings.max_psi,
        }
    }

    /// Takes the file at `path`; on an error nothing happened, or all of it, and it can be taken again.
    pub(crate) async fn take(&mut self, path: &Path) -> anyhow::Result<Taken> {
        let opened = blocking(path, reading::open)
            .await
            .context("the file cannot be read")?;
        let Some(opened) = opened else {
            return Ok(Taken::Done);
        };
        if let Some((file, rejected)) = self.unmoved.remove(path, &opened.snapshot) {
            return self.put_away(path, opened.snapshot, file, rejected).await;
        }
        if let Some(reason) = self.must_not_be_read(path, &opened.snapshot) {
            return self.reject_unread(path, opened, reason).await;
        }
        // Before anything is read: what cannot be learned now would let the file be read in vain.
        // But one that was accepted before may bring back what is missing.
        self.backend.check_store().await?;
        let learned = self.learn_newest().await;
        if let Err(error) = &learned
            && !is_broken_object(error)
        {
            return learned.map(|()| Taken::Done);
        }
        let received_at = self.clock.now();
        let started = Instant::now();
        // Open until the end: no other file can get its inode meanwhile.
        let opened = Arc::new(opened);
        let snapshot = opened.snapshot;
        let reading = self
            .read(path, &opened)
            .await
            .context("the file cannot be read")?;
        let mut file = described(path, snapshot, &reading, received_at);
        file.timings.read_ms = millis(started);
        metrics::step("read", started.elapsed());
        failpoint::reach("read");
        if let Some(settled) = self.settled(reading.sha256).await? {
            info!(file.name, file.sha256 = %file.sha256, status = %settled.status, "this content was judged before");
            if let Outcome::Good(good) = reading.outcome {
                self.heal(&settled, *good).await?;
            }
            return self.put_away(path, snapshot, settled, reading.rejected).await;
        }
        learned?;
        match reading.outcome {
            Outcome::Bad(_) => {
                if !is_same(path, snapshot, file.sha256, &self.progress).await? {
                    return Ok(Taken::Changed);
                }
                self.reject(path, snapshot, file, reading.rejected).await
            }
            Outcome::Good(good) => {
                let rejected = reading.rejected;
                self.use_rows(path, snapshot, file, *good, rejected).await
            }
        }
    }

    /// Reads the file, and notes in the journal that it does.
    async fn read(&self, path: &Path, opened: &Arc<Opened>) -> anyhow::Result<Reading> {
        let (name, snapshot) = (name_of(path), opened.snapshot);
        self.journal.begin(&name, snapshot)?;
        let (opened, rules, progress) = (Arc::clone(opened), self.rules.clone(), self.progress.clone());
        let reading = blocking(path, move |_| {
            failpoint::reach("reading");
            reading::read(&opened, &rules, &progress)
        });
        let reading = reading.await;
        self.journal.end(&name, &snapshot)?;
        reading
    }

    pub(crate) async fn learn_newest(&mut self) -> anyhow::Result<()> {
        let newest = self.backend.database.newest_stamp().await?;
        self.learn_up_to(newest).await?;
        Ok(())
    }

    /// Whether what was known was only added to.
    pub(crate) async fn learn_up_to(&mut self, newest: Option<VersionStamp>) -> anyhow::Result<bool> {
        if let Some(newest) = newest {
            return self.known.catch_up(&self.backend, newest).await;
        }
        // There may have been a dataset, before an older backup was restored.
        let is_empty = self.known.stamp().is_none();
        if !is_empty {
            self.known = Known::new(&self.rules.scratch);
        }
        Ok(is_empty)
    }

    /// The file with this content, if it was judged before and not rejected.
    pub(crate) async fn settled(&self, sha256: Sha256) -> anyhow::Result<Option<DataFile>> {
        let file = self.backend.database.data_file(sha256).await?;
        Ok(file.filter(|file| file.status != FileStatus::Rejected))
    }

    pub(crate) async fn reject(
        &mut self,
        path: &Path,
        snapshot: Snapshot,
        mut file: DataFile,
        rejected: Option<File>,
    ) -> anyhow::Result<Taken> {
        file.finished_at = self.clock.now();
        self.backend.database.record_rejection(&mut file).await?;
        failpoint::reach("committed");
        self.tell(&file);
        self.put_away(path, snapshot, file, rejected).await
    }

    async fn use_rows(
        &mut self,
        path: &Path,
        snapshot: Snapshot,
        mut file: DataFile,
        good: Good,
        rejected: Option<File>,
    ) -> anyhow::Result<Taken> {
        let (profile, distribution) = Profile::of(good.sampler, self.known.distribution(), self.max_psi)
            .context("a file without rows is no good file")?;
        let drifted = self.drifted(&profile);
        file.profile = Some(profile);

        let started = Instant::now();
        let rows = FileRows::sort(good.batch, good.hashes);
        let (rows, same) = tokio::join!(rows, is_same(path, snapshot, file.sha256, &self.progress));
        if !same? {
            return Ok(Taken::Changed);
        }
        let rows = rows?;
        // Which rows of a held file are new is found when it is accepted.
        let known = match drifted {
            Some(_) => Default::default(),
            None => self.known.hashes(),
        };
        let new = rows.new_rows(&self.rules.scratch, known).await?;
        rows.store(&self.backend, &new).await?;
        file.timings.store_ms = millis(started);
        metrics::step("store", started.elapsed());
        failpoint::reach("stored");
        let candidate = Candidate {
            path: path.to_owned(),
            snapshot,
            file,
            distribution,
            rows,
            new,
            rejected,
        };
        match drifted {
            Some(reason) => self.hold(candidate, reason).await,
            None => self.accept(candidate).await,
        }
    }

    /// Why the file must wait for an operator, if the policy says so.
    fn drifted(&self, profile: &Profile) -> Option<String> {
        if profile.drifted.is_empty() {
            return None;
        }
        let features = profile.drifted.join(", ");
        warn!(features, "a data file is unlike the dataset so far");
        (self.drift == Drift::Block).then(|| {
            format!(
                "it is unlike the dataset so far in {features} (population stability index above {}); \
                 an operator must accept or reject it",
                self.max_psi
            )
        })
    }

    async fn hold(&mut self, candidate: Candidate, reason: String) -> anyhow::Result<Taken> {
        let kept = candidate.kept();
        let Candidate {
            path,
            snapshot,
            mut file,
            rejected,
            ..
        } = candidate;
        file.status = FileStatus::Held;
        file.held = Some(reason);
        file.finished_at = self.clock.now();
        self.backend.database.record_held(&mut file, &kept).await?;
        failpoint::reach("committed");
        self.tell(&file);
        self.put_away(&path, snapshot, file, rejected).await
    }

    async fn accept(&mut self, mut candidate: Candidate) -> anyhow::Result<Taken> {
        for losses in 0.. {
            let started = Instant::now();
            let sha256 = candidate.file.sha256;
            let change = match self.backend.database.begin_acceptance(sha256).await? {
                Acceptance::Known(file) => {
                    let Candidate {
                        path,
                        snapshot,
                        rejected,
                        ..
                    } = candidate;
                    return self.put_away(&path, snapshot, *file, rejected).await;
                }
                Acceptance::Open(change) => change,
            };
            candidate.file.timings.wait_ms = millis(started);
            metrics::step("wait", started.elapsed());
            failpoint::reach("locked");
            let newest = change.newest().map(|newest| newest.stamp);
            if newest == self.known.stamp() {
                return self.commit(change, candidate).await;
            }
            // Another ingest was faster. The work is done while nobody waits, unless that happens again and again.
            if losses < MOST_LOSSES {
                change.give_up().await?;
                let newest = self.backend.database.newest_stamp().await?;
                self.catch_up(&mut candidate, newest).await?;
            } else {
                change.allow_long_work().await?;
                self.catch_up(&mut candidate, newest).await?;
                return self.commit(change, candidate).await;
            }
        }
        Ok(Taken::Changed)
    }

    /// Learns the dataset version `newest`, and selects the candidate's new rows again if they are others now.
    async fn catch_up(
        &mut self,
        candidate: &mut Candidate,
        newest: Option<VersionStamp>,
    ) -> anyhow::Result<()> {
        let only_added = self.learn_up_to(newest).await?;
        if only_added && candidate.rows.count_new(&self.known.hashes())? == candidate.new.rows {
            return Ok(());
        }
        self.select_new(candidate).await
    }

    async fn select_new(&mut self, candidate: &mut Candidate) -> anyhow::Result<()> {
        let started = Instant::now();
        let known = self.known.hashes();
        candidate.new = candidate.rows.new_rows(&self.rules.scratch, known).await?;
        candidate.rows.store(&self.backend, &candidate.new).await?;
        candidate.file.timings.check_ms += millis(started);
        metrics::step("check", started.elapsed());
        Ok(())
    }

    async fn commit(&mut self, change: OpenChange, candidate: Candidate) -> anyhow::Result<Taken> {
        let kept = candidate.kept();
        let Candidate {
            path,
            snapshot,
            mut file,
            rows,
            new,
            rejected,
            ..
        } = candidate;
        file.rows.rows_known = file.rows.rows_accepted - new.rows;
        let unchanged = reading::open(&path)?.map(|now| now.snapshot) == Some(snapshot);
        // Housekeeping deletes batches under the same lock: one of the same rows may have been nobody's until now.
        if !unchanged || self.backend.store.kept_batch(kept.batch).await?.is_none() {
            change.give_up().await?;
            return Ok(Taken::Changed);
        }
        let started = Instant::now();
        file.dataset_version = Some(change.next_version());
        file.finished_at = self.clock.now();
        let version = change.commit(&mut file, &kept).await?;
        metrics::step("commit", started.elapsed());
        failpoint::reach("committed");
        self.tell(&file);
        self.learn(version, rows.into_hashes(), &kept.distribution)?;
        let taken = self.put_away(&path, snapshot, file, rejected).await;
        self.merge_batches(version.version).await;
        taken
    }

    /// What is committed is told once.
    fn tell(&self, file: &DataFile) {
        self.backend.relay_now();
        metrics::judged(file);
        info!(
            file.name, file.sha256 = %file.sha256, status = %file.status, rejection = file.rejection,
            rows = file.rows.rows_read, known = file.rows.rows_known, rejected = file.rows.rows_rejected,
            dataset.version = file.dataset_version.map(|version| version.get()), "judged a data file"
        );
    }

    /// What cannot be kept in local files is learned from the object store again.
    fn learn(
        &mut self,
        version: VersionStamp,
        hashes: Arc<Run>,
        distribution: &Distribution,
    ) -> anyhow::Result<()> {
        let learned = self.known.committed(version, hashes, distribution);
        if learned.is_err() {
            self.known = Known::new(&self.rules.scratch);
        }
        learned.context("the scratch folder cannot be written")
    }
}

pub(crate) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn described(
    path: &Path,
    snapshot: Snapshot,
    reading: &Reading,
    at: chrono::DateTime<chrono::Utc>,
) -> DataFile {
    DataFile {
        sha256: reading.sha256,
        name: name_of(path),
        bytes: snapshot.bytes,
        status: reading.status(),
        rejection: reading.rejection(),
        held: None,
        rows: reading.tally.counts(),
        reasons: reading.tally.reasons(),
        ignored_columns: reading.ignored_columns.clone(),
        dataset_version: None,
        withdrawn_version: None,
        profile: None,
        decision: None,
        timings: Timings::default(),
        received_at: at,
        finished_at: at,
    }
}

/// Whether the file is still the one that was read: size, times and content.
async fn is_same(
    path: &Path,
    snapshot: Snapshot,
    sha256: Sha256,
    progress: &Progress,
) -> anyhow::Result<bool> {
    let progress = progress.clone();
    let now = blocking(path, move |path| reading::digest(path, &progress)).await;
    Ok(now.context("the file cannot be read")? == Some((snapshot, sha256)))
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().max(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}

pub(crate) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let path = path.to_owned();
    Ok(tokio::task::spawn_blocking(move || work(&path)).await??)
}
