//! What the dataset holds already: the hashes of its samples, and how often each value stands in them.
//!
//! Hashes lie sorted in unnamed local files, so that memory does not grow with the dataset. They are copies of what
//! the object store has for each file, and nothing is lost with them.

mod run;
mod selection;
mod sorter;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use backend::Backend;
use domain::{DatasetVersion, SampleHash, Sha256, profile::Distribution};
use storage::{
    StorageError,
    batch::BatchReader,
    datasets::{DatasetChange, Member, VersionStamp},
};
use tokio::task::spawn_blocking;
use tracing::warn;

pub(crate) use run::Run;
use run::RunWriter;
pub(crate) use selection::{Selection, select};
pub(crate) use sorter::{Distinct, Sorter};

/// What a dataset version holds.
#[derive(Debug)]
pub(crate) struct Known {
    scratch: PathBuf,
    stamp: Option<VersionStamp>,
    hashes: Hashes,
    distribution: Distribution,
}

/// The hashes of a dataset version; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hashes(Vec<Arc<Run>>);

/// What to do when the hashes of a file's rows are missing or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// Only all hashes of each file will do.
    Fail,
    /// Those of its batch will do: the dataset's other batches have its other rows.
    UseBatch,
}

impl Known {
    /// Knows nothing yet; uses unnamed files in the folder `scratch`.
    pub(crate) fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_owned(),
            stamp: None,
            hashes: Hashes::default(),
            distribution: Distribution::default(),
        }
    }

    /// The version that is known.
    pub(crate) fn stamp(&self) -> Option<VersionStamp> {
        self.stamp
    }

    /// The hashes of the samples.
    pub(crate) fn hashes(&self) -> Hashes {
        self.hashes.clone()
    }

    /// How often each value stands in the dataset; none while it is empty.
    pub(crate) fn distribution(&self) -> Option<&Distribution> {
        (self.distribution.rows() > 0).then_some(&self.distribution)
    }

    /// Learns what changed up to the version `to`. When a file was withdrawn, or the version that is known is not of
    /// this history, everything is learned anew, and then false is returned.
    pub(crate) async fn catch_up(&mut self, backend: &Backend, to: VersionStamp) -> anyhow::Result<bool> {
        if self.follow(backend, to, Broken::UseBatch).await? {
            return Ok(true);
        }
        let mut anew = Self::new(&self.scratch);
        anew.learn_all(backend, to.version, None, Broken::UseBatch)
            .await?;
        anew.stamp = Some(to);
        *self = anew;
        Ok(false)
    }

    /// Learns what was added up to the version `to`. False when more happened than that files were added.
    pub(crate) async fn catch_up_with_added(
        &mut self,
        backend: &Backend,
        to: VersionStamp,
    ) -> anyhow::Result<bool> {
        self.follow(backend, to, Broken::Fail).await
    }

    async fn follow(&mut self, backend: &Backend, to: VersionStamp, broken: Broken) -> anyhow::Result<bool> {
        while self.stamp != Some(to) {
            let Some(mine) = self.stamp.filter(|mine| mine.version < to.version) else {
                return Ok(false);
            };
            if !backend.database.has_version(mine).await? {
                return Ok(false);
            }
            for change in backend.database.changes(mine.version, to.version).await? {
                let DatasetChange::Added(member) = change else {
                    return Ok(false);
                };
                self.learn(backend, &member, broken).await?;
                // One by one: what is learned before an error is not learned again.
                self.stamp = Some(member.added);
            }
            if self.stamp == Some(mine) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes over what was just committed as `version`.
    pub(crate) fn committed(
        &mut self,
        version: VersionStamp,
        hashes: Arc<Run>,
        distribution: &Distribution,
    ) -> io::Result<()> {
        self.stamp = Some(version);
        self.distribution.add(distribution);
        self.push(hashes)
    }

    /// What the files of the dataset version `of` other than `without` hold.
    pub(crate) async fn of_others(
        backend: &Backend,
        scratch: &Path,
        of: VersionStamp,
        without: Sha256,
    ) -> anyhow::Result<Self> {
        let mut others = Self::new(scratch);
        let learned = others.learn_all(backend, of.version, Some(without), Broken::Fail);
        learned.await?;
        others.stamp = Some(of);
        Ok(others)
    }

    /// The hashes of the dataset version `version`.
    pub(crate) async fn at(
        backend: &Backend,
        scratch: &Path,
        version: DatasetVersion,
    ) -> anyhow::Result<Hashes> {
        let mut known = Self::new(scratch);
        known.learn_all(backend, version, None, Broken::Fail).await?;
        Ok(known.hashes)
    }

    async fn learn_all(
        &mut self,
        backend: &Backend,
        version: DatasetVersion,
        without: Option<Sha256>,
        broken: Broken,
    ) -> anyhow::Result<()> {
        let (mut after, mut is_whole) = (None, true);
        loop {
            let members = backend.database.members(version, after).await?;
            let Some(last) = members.last() else { break };
            after = Some(last.added.version);
            for member in &members {
                if Some(member.sha256) != without {
                    is_whole &= self.learn(backend, member, broken).await?;
                }
            }
        }
        if !is_whole && let Some(carried_over) = backend.database.carried_over(version).await? {
            let carried_over = distinct_of(backend, &self.scratch, carried_over.batch).await?;
            self.push(carried_over.hashes)?;
        }
        Ok(())
    }

    /// Whether all hashes of the file were found.
    async fn learn(&mut self, backend: &Backend, member: &Member, broken: Broken) -> anyhow::Result<bool> {
        let (hashes, is_whole) = match hashes_of(backend, &self.scratch, member).await {
            Ok(hashes) => (hashes, true),
            Err(error) if broken == Broken::UseBatch && is_broken_object(&error) => {
                warn!(file.sha256 = %member.sha256, error = format!("{error:#}"),
                    "the hashes of a file's rows are missing; those of its batch are used until the file is dropped again");
                let batch = distinct_of(backend, &self.scratch, member.kept.batch).await?;
                (batch.hashes, false)
            }
            Err(error) => return Err(error),
        };
        self.push(hashes)?;
        self.distribution.add(&member.kept.distribution);
        Ok(is_whole)
    }

    /// Keeps few runs, each more than twice as long as the next.
    fn push(&mut self, run: Arc<Run>) -> io::Result<()> {
        let runs = &mut self.hashes.0;
        runs.push(run);
        while let [.., longer, shorter] = &runs[..]
            && longer.len() <= 2 * shorter.len()
        {
            let merged = sorter::merge(&self.scratch, longer, shorter)?;
            runs.truncate(runs.len() - 2);
            runs.push(Arc::new(merged));
        }
        Ok(())
    }

    /// How many samples there are.
    pub(crate) async fn rows(&self) -> anyhow::Result<u64> {
        let (scratch, hashes) = (self.scratch.clone(), self.hashes());
        let count = move || {
            let mut all = RunWriter::new(tempfile::tempfile_in(&scratch)?)?.finish()?;
            for run in &hashes.0 {
                all = sorter::merge(&scratch, &all, run)?;
            }
            io::Result::Ok(all.len())
        };
        spawn_blocking(count)
            .await?
            .context("the scratch folder cannot be written")
    }
}

impl Hashes {
    /// How many of the distinct `hashes` are among these.
    pub(crate) fn count(&self, hashes: &Run) -> io::Result<u64> {
        let mut known = 0;
        if self.0.is_empty() {
            return Ok(known);
        }
        let mut has = self.lookup();
        for hash in hashes.iter() {
            known += u64::from(has(hash?)?);
        }
        Ok(known)
    }

    /// Answers whether ascending hashes are among these.
    pub(crate) fn lookup(&self) -> impl FnMut(SampleHash) -> io::Result<bool> + use<> {
        let mut lookups: Vec<_> = self.0.iter().map(Run::lookup).collect();
        move |hash| {
            for lookup in &mut lookups {
                if lookup.has(hash)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// The hashes of a file's rows. Those of a file from before they were kept are computed from its batch, and kept.
async fn hashes_of(backend: &Backend, scratch: &Path, member: &Member) -> anyhow::Result<Arc<Run>> {
    match member.kept.hashes {
        Some(hashes) => stored_hashes(backend, scratch, hashes).await,
        None => computed_hashes(backend, scratch, member.sha256, member.kept.batch).await,
    }
}

/// Hashes in the object store.
pub(crate) async fn stored_hashes(
    backend: &Backend,
    scratch: &Path,
    hashes: Sha256,
) -> anyhow::Result<Arc<Run>> {
    let empty = tempfile::tempfile_in(scratch).context("the scratch folder cannot be written")?;
    let file = backend.store.copy_hashes(hashes, empty).await?;
    let run = spawn_blocking(move || Run::open(file)).await?;
    let run = run.with_context(|| format!("the hashes {hashes} cannot be read"))?;
    Ok(Arc::new(run))
}

/// Computes and keeps the hashes of a file from before they were kept, whose batch has all its rows.
pub(crate) async fn computed_hashes(
    backend: &Backend,
    scratch: &Path,
    file: Sha256,
    batch: Sha256,
) -> anyhow::Result<Arc<Run>> {
    let run = distinct_of(backend, scratch, batch).await?.hashes;
    let written = run.written().context("the scratch folder cannot be read")?;
    backend.store.put_hashes_file(&written).await?;
    backend.database.set_hashes(file, written.sha256).await?;
    Ok(run)
}

/// The distinct hashes of a batch in the object store.
async fn distinct_of(backend: &Backend, scratch: &Path, batch: Sha256) -> anyhow::Result<Distinct> {
    let file = backend.store.batch_file(batch).await?;
    let mut sorter = Sorter::new(scratch);
    spawn_blocking(move || {
        let mut reader = BatchReader::new(file)?;
        while let Some(samples) = reader.read()? {
            let hashes: Vec<_> = samples.iter().map(SampleHash::of).collect();
            sorter.add(&hashes)?;
        }
        Ok(sorter.finish()?)
    })
    .await?
}

/// Whether an object of the store is not there as it was written.
pub(crate) fn is_broken_object(error: &anyhow::Error) -> bool {
    let mut storage = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<StorageError>());
    storage.any(|error| {
        matches!(
            error,
            StorageError::MissingObject(_) | StorageError::DamagedObject { .. } | StorageError::BadBatch(_)
        )
    })
}
