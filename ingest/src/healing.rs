//! Putting back what the object store has lost of a file, when its content is dropped again.

use anyhow::Context as _;
use domain::file::DataFile;
use storage::{batch::Written, data_files::StoredRows};
use tracing::{info, warn};

use crate::{
    intake::Intake,
    known::{Hashes, Known},
    reading::Good,
    storing::FileRows,
};

impl Intake {
    /// Writes the batch and the hashes of an accepted or held file again if they are missing or damaged. Its rows were
    /// just read.
    pub(crate) async fn heal(&self, file: &DataFile, good: Good) -> anyhow::Result<()> {
        let Some(stored) = self.backend.database.stored_rows(file.sha256).await? else {
            return Ok(());
        };
        let store = &self.backend.store;
        let is_batch_whole = store.is_batch_whole(stored.batch).await?;
        let are_hashes_whole = match stored.hashes {
            Some(hashes) => store.are_hashes_whole(hashes).await?,
            // They are computed from the batch.
            None => true,
        };
        if is_batch_whole && are_hashes_whole {
            return Ok(());
        }
        info!(file.name, file.sha256 = %file.sha256, "the object store has lost rows of this file; they are put back");
        let rows = FileRows::sort(good.batch, good.hashes).await?;
        if let Some(hashes) = stored.hashes.filter(|_| !are_hashes_whole) {
            match hashes == rows.hashes_file().sha256 {
                true => drop(store.heal_hashes(rows.hashes_file()).await?),
                false => warn!(%hashes, "the hashes of the rows are others now, and cannot be put back"),
            }
        }
        if !is_batch_whole {
            self.heal_batch(&rows, &stored).await?;
        }
        Ok(())
    }

    async fn heal_batch(&self, rows: &FileRows, stored: &StoredRows) -> anyhow::Result<()> {
        match self.batch_again(rows, stored).await? {
            Some(batch) => drop(self.backend.store.heal_batch(&batch).await?),
            None => warn!(batch = %stored.batch,
                "the batch of the rows would be another now, and cannot be put back: restore it from a backup of the object store"),
        }
        Ok(())
    }

    /// The batch as it was made: of all rows, of all but repeated ones, or of those that were new to the dataset.
    async fn batch_again(&self, rows: &FileRows, stored: &StoredRows) -> anyhow::Result<Option<Written>> {
        let scratch = &self.rules.scratch;
        let all = rows.all().context("the scratch folder cannot be read")?;
        if all.sha256 == stored.batch {
            return Ok(Some(all));
        }
        let distinct = rows.new_rows(scratch, Hashes::default()).await?.batch;
        if distinct.sha256 == stored.batch {
            return Ok(Some(distinct));
        }
        let Some(before) = stored.before else {
            return Ok(None);
        };
        let known = Known::at(&self.backend, scratch, before).await?;
        let new = rows.new_rows(scratch, known).await?.batch;
        Ok(Some(new).filter(|new| new.sha256 == stored.batch))
    }
}
