//! Which samples the dataset holds already, by their hashes.

use std::collections::HashSet;

use domain::{DatasetVersion, Sample, SampleHash};
use storage::{StorageError, batch};

use backend::Backend;

/// The hashes of all samples up to one dataset version.
#[derive(Default)]
pub(crate) struct Known {
    version: Option<DatasetVersion>,
    hashes: HashSet<SampleHash>,
}

impl Known {
    /// Learns what came since, up to `version`.
    pub(crate) async fn catch_up(
        &mut self,
        backend: &Backend,
        version: DatasetVersion,
    ) -> Result<(), StorageError> {
        if self.version >= Some(version) {
            return Ok(());
        }
        for digest in backend.database.batches(self.version, version).await? {
            let samples = batch::read(backend.store.batch(digest).await?)?;
            self.hashes.extend(samples.iter().map(SampleHash::of));
        }
        self.version = Some(version);
        Ok(())
    }

    /// How many of `samples` are in the dataset already, or repeat one before them.
    pub(crate) fn count(&self, samples: &[Sample]) -> u64 {
        let mut new = HashSet::new();
        let mut repeats = |sample: &&Sample| {
            let hash = SampleHash::of(sample);
            self.hashes.contains(&hash) || !new.insert(hash)
        };
        samples.iter().filter(|sample| repeats(sample)).count() as u64
    }
}
