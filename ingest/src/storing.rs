//! Keeping the rows of a file in the object store: those that the dataset does not have yet, each once.

use std::{io, path::Path, sync::Arc};

use anyhow::Context as _;
use backend::Backend;
use domain::SampleHash;
use storage::batch::Written;
use tokio::task::spawn_blocking;

use crate::known::{Distinct, Hashes, Run, Selection, Sorter, select};

/// A batch of more rows is not written again for the sake of a few repeated ones: whoever reads it drops them.
const LARGE_BATCH: u64 = 1 << 20;
/// Of a large batch, at least one row in this many is repeated before it is written again.
const REPEATED_SHARE: u64 = 10;

/// The good rows of a file, with their hashes.
pub(crate) struct FileRows {
    /// As they stand in the file.
    all: Written,
    hashes: Distinct,
    hashes_file: Written,
}

/// The rows of a file that the dataset does not have yet.
pub(crate) struct NewRows {
    pub(crate) batch: Written,
    /// Whether the batch has other rows as well.
    pub(crate) overlaps: bool,
    /// How many there are.
    pub(crate) rows: u64,
}

impl FileRows {
    /// Sorts the hashes of all rows.
    pub(crate) async fn sort(all: Written, hashes: Sorter<SampleHash>) -> anyhow::Result<Self> {
        let sorted = spawn_blocking(move || {
            let hashes = hashes.finish()?;
            let hashes_file = hashes.hashes.written()?;
            io::Result::Ok((hashes, hashes_file))
        });
        let (hashes, hashes_file) = sorted.await?.context("the scratch folder cannot be written")?;
        Ok(Self {
            all,
            hashes,
            hashes_file,
        })
    }

    /// The rows that are not `known`. Nothing is written when all are new.
    pub(crate) async fn new_rows(&self, scratch: &Path, known: Hashes) -> anyhow::Result<NewRows> {
        let (scratch, hashes, all) = (scratch.to_owned(), self.hashes.clone(), self.all()?);
        let work = move || {
            let rows = hashes.hashes.len() - known.count(&hashes.hashes)?;
            let in_file = hashes.hashes.len() + hashes.repeats;
            let repeated = in_file - rows;
            if repeated == 0 || in_file > LARGE_BATCH && repeated * REPEATED_SHARE < in_file {
                return anyhow::Ok(NewRows {
                    batch: all,
                    overlaps: repeated > 0,
                    rows,
                });
            }
            let mut is_known = known.lookup();
            let is_new = |hash| is_known(hash).map(|known| !known);
            let Selection { batch, rows } = select(&scratch, &[all.file], is_new)?;
            Ok(NewRows {
                batch,
                overlaps: false,
                rows,
            })
        };
        let new = spawn_blocking(work).await?;
        new.context("the rows that are new cannot be written")
    }

    /// Keeps the new rows and all hashes in the object store.
    pub(crate) async fn store(&self, backend: &Backend, new: &NewRows) -> anyhow::Result<()> {
        let (hashes, batch) = tokio::join!(
            backend.store.put_hashes_file(&self.hashes_file),
            backend.store.put_batch_file(&new.batch)
        );
        hashes.and(batch)?;
        Ok(())
    }

    /// How many of its rows are not `known`, each counted once.
    pub(crate) fn count_new(&self, known: &Hashes) -> io::Result<u64> {
        Ok(self.hashes.hashes.len() - known.count(&self.hashes.hashes)?)
    }

    /// The hashes, for what is known from now on.
    pub(crate) fn into_hashes(self) -> Arc<Run> {
        self.hashes.hashes
    }

    /// The hashes as the object store has them.
    pub(crate) fn hashes_file(&self) -> &Written {
        &self.hashes_file
    }

    /// The batch as it stands in the file.
    pub(crate) fn all(&self) -> io::Result<Written> {
        Ok(Written {
            file: self.all.file.try_clone()?,
            sha256: self.all.sha256,
        })
    }
}
