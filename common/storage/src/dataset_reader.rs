//! Reading the samples of a dataset version in bounded memory.

use std::collections::{HashSet, VecDeque};

use domain::{Sample, SampleHash, Sha256};
use tokio::task::spawn_blocking;

use crate::{StorageError, Store, batch::BatchReader, contents::Batches};

/// The samples of a dataset version, a row group at a time.
pub struct DatasetReader {
    store: Store,
    batches: VecDeque<Sha256>,
    open: Option<BatchReader>,
    /// The samples so far, where batches overlap.
    seen: Option<HashSet<SampleHash>>,
}

impl DatasetReader {
    pub(crate) fn new(store: Store, batches: Batches) -> Self {
        Self {
            store,
            batches: batches.batches.into(),
            open: None,
            seen: batches.overlap.then(HashSet::new),
        }
    }

    /// The next samples, never an empty list; none at the end. After an error it can be called again.
    ///
    /// # Errors
    ///
    /// When the object store does not answer, or a batch is missing or damaged.
    pub async fn next(&mut self) -> Result<Option<Vec<Sample>>, StorageError> {
        loop {
            if self.open.is_none() && !self.open_next().await? {
                return Ok(None);
            }
            if let Some(mut samples) = self.read().await? {
                if let Some(seen) = &mut self.seen {
                    samples.retain(|sample| seen.insert(SampleHash::of(sample)));
                }
                if !samples.is_empty() {
                    return Ok(Some(samples));
                }
            }
        }
    }

    /// False at the end.
    async fn open_next(&mut self) -> Result<bool, StorageError> {
        let Some(batch) = self.batches.front() else {
            return Ok(false);
        };
        let file = self.store.batch_file(*batch).await?;
        self.open = Some(BatchReader::new(file)?);
        self.batches.pop_front();
        Ok(true)
    }

    /// The next row group of the open batch; none at its end, when it is closed.
    async fn read(&mut self) -> Result<Option<Vec<Sample>>, StorageError> {
        let Some(mut reader) = self.open.take() else {
            return Ok(None);
        };
        let read = spawn_blocking(move || reader.read().map(|samples| (samples, reader)));
        let (samples, reader) = read
            .await
            .map_err(|_| StorageError::BadBatch("reading it panicked".to_owned()))??;
        self.open = samples.is_some().then_some(reader);
        Ok(samples)
    }
}
