//! Reading the samples of a dataset version in bounded memory.

use std::collections::{HashSet, VecDeque};

use domain::{Sample, SampleHash};
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::{StorageError, Store, batch::BatchReader, merged::Piece};

/// The samples of a dataset version, a row group at a time.
pub struct DatasetReader {
    store: Store,
    pieces: VecDeque<Piece>,
    open: Option<BatchReader>,
    /// The samples so far, where batches overlap.
    seen: Option<HashSet<SampleHash>>,
}

impl DatasetReader {
    pub(crate) fn new(store: Store, pieces: Vec<Piece>, overlap: bool) -> Self {
        Self {
            store,
            pieces: pieces.into(),
            open: None,
            seen: overlap.then(HashSet::new),
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
        while let Some(piece) = self.pieces.front() {
            match self.store.batch_file(piece.batch).await {
                Ok(file) => {
                    self.open = Some(BatchReader::new(file)?);
                    self.pieces.pop_front();
                    return Ok(true);
                }
                Err(error) if piece.is_replaceable(&error) => {
                    warn!(%error, "merged batches are read one by one");
                    self.take_apart();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Puts the batches that the next piece is merged of in its place.
    fn take_apart(&mut self) {
        let Some(piece) = self.pieces.pop_front() else {
            return;
        };
        for batch in piece.parts.into_iter().rev() {
            self.pieces.push_front(Piece {
                batch,
                parts: Vec::new(),
            });
        }
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
