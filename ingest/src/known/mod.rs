//! What the dataset holds already: the hashes of its samples, and how often each value stands in them.
//!
//! Hashes lie sorted in unnamed local files, so that memory does not grow with the dataset. They are learned from
//! the batches, and nothing is lost with them.

mod run;
mod sorter;

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use backend::Backend;
use domain::{DatasetVersion, SampleHash, Sha256, profile::Distribution};
use storage::{batch::BatchReader, datasets::DatasetChange, intake::Kept};
use tokio::task::spawn_blocking;

pub(crate) use run::Run;
use run::RunWriter;
pub(crate) use sorter::{Distinct, Sorter};

/// What a dataset version holds.
#[derive(Debug)]
pub(crate) struct Known {
    scratch: PathBuf,
    version: Option<DatasetVersion>,
    runs: Vec<Run>,
    distribution: Distribution,
    /// A file that is left out.
    without: Option<Sha256>,
    /// How many samples there are, if that is kept up.
    rows: Option<u64>,
}

impl Known {
    /// Knows nothing yet; uses unnamed files in the folder `scratch`.
    pub(crate) fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_owned(),
            version: None,
            runs: Vec::new(),
            distribution: Distribution::default(),
            without: None,
            rows: None,
        }
    }

    /// The version that is known.
    pub(crate) fn version(&self) -> Option<DatasetVersion> {
        self.version
    }

    /// How often each value stands in the dataset; none while it is empty.
    pub(crate) fn distribution(&self) -> Option<&Distribution> {
        (self.distribution.rows() > 0).then_some(&self.distribution)
    }

    /// Learns what changed up to `version`.
    pub(crate) async fn catch_up(
        &mut self,
        backend: &Backend,
        version: DatasetVersion,
    ) -> anyhow::Result<()> {
        if self.version >= Some(version) {
            return Ok(());
        }
        let mut added = Vec::new();
        for change in backend.database.changes(self.version, version).await? {
            match change {
                DatasetChange::Added(kept) => added.push(kept),
                DatasetChange::Removed => return self.relearn(backend, version).await,
            }
        }
        for kept in added {
            self.learn(backend, &kept).await?;
            // One by one: what is learned before an error is not learned again.
            self.version = Some(self.version.map_or(DatasetVersion::FIRST, DatasetVersion::next));
        }
        Ok(())
    }

    /// Takes over what was just committed as `version`.
    pub(crate) fn committed(
        &mut self,
        version: DatasetVersion,
        hashes: Run,
        distribution: &Distribution,
    ) -> io::Result<()> {
        self.version = Some(version);
        self.distribution.add(distribution);
        self.push(hashes)
    }

    /// How many of the distinct `hashes` the dataset holds.
    pub(crate) fn count(&self, hashes: &Run) -> io::Result<u64> {
        let mut lookups: Vec<_> = self.runs.iter().map(Run::lookup).collect();
        let mut known = 0;
        if lookups.is_empty() {
            return Ok(known);
        }
        for hash in hashes.iter() {
            known += u64::from(any(&mut lookups, hash?)?);
        }
        Ok(known)
    }

    /// What the dataset holds without a file; it can catch up with later versions.
    pub(crate) async fn without(
        &self,
        backend: &Backend,
        version: DatasetVersion,
        file: Sha256,
    ) -> anyhow::Result<Self> {
        let mut others = Self::new(&self.scratch);
        others.without = Some(file);
        others.relearn(backend, version).await?;
        others.count_rows().await
    }

    /// How many samples there are.
    pub(crate) async fn count_rows(mut self) -> anyhow::Result<Self> {
        if self.rows.is_some() {
            return Ok(self);
        }
        let counted = spawn_blocking(move || {
            self.rows = Some(self.distinct()?);
            io::Result::Ok(self)
        });
        counted.await?.context("the scratch folder cannot be written")
    }

    /// How many samples there are; none unless they were counted.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.rows
    }

    async fn relearn(&mut self, backend: &Backend, version: DatasetVersion) -> anyhow::Result<()> {
        let mut anew = Self::new(&self.scratch);
        anew.without = self.without;
        for (file, kept) in backend.database.contents(version).await? {
            if Some(file) != self.without {
                anew.learn(backend, &kept).await?;
            }
        }
        anew.version = Some(version);
        *self = anew;
        Ok(())
    }

    async fn learn(&mut self, backend: &Backend, kept: &Kept) -> anyhow::Result<()> {
        let Distinct { hashes, .. } = distinct_of(backend, &self.scratch, kept.batch).await?;
        if let Some(rows) = self.rows {
            self.rows = Some(rows + hashes.len() - self.count(&hashes)?);
        }
        self.push(hashes)?;
        self.distribution.add(&kept.distribution);
        Ok(())
    }

    /// Keeps few runs, each more than twice as long as the next.
    fn push(&mut self, run: Run) -> io::Result<()> {
        self.runs.push(run);
        while let [.., longer, shorter] = &self.runs[..]
            && longer.len() <= 2 * shorter.len()
        {
            let merged = sorter::merge(&self.scratch, longer, shorter)?;
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(merged);
        }
        Ok(())
    }

    fn distinct(&self) -> io::Result<u64> {
        let mut all = RunWriter::new(tempfile::tempfile_in(&self.scratch)?).finish()?;
        for run in &self.runs {
            all = sorter::merge(&self.scratch, &all, run)?;
        }
        Ok(all.len())
    }
}

/// The distinct hashes of a batch in the object store.
pub(crate) async fn distinct_of(
    backend: &Backend,
    scratch: &Path,
    batch: Sha256,
) -> anyhow::Result<Distinct> {
    let empty = tempfile::tempfile_in(scratch).context("the scratch folder cannot be written")?;
    let file = backend.store.copy_batch(batch, empty).await?;
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

fn any(lookups: &mut [run::Lookup<'_>], hash: SampleHash) -> io::Result<bool> {
    for lookup in lookups {
        if lookup.has(hash)? {
            return Ok(true);
        }
    }
    Ok(false)
}
