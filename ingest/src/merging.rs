//! Merging small batches, so that a dataset of many small files is read as fast as one of few large ones.

use anyhow::Context as _;
use domain::DatasetVersion;
use storage::batch::{BatchWriter, Part};
use tracing::warn;

use crate::intake::Intake;

/// So many versions that follow each other are merged, and so many of these again.
const WIDTHS: [u32; 2] = [64, 64 * 64];

impl Intake {
    /// Merges the batches of the versions up to `newest`, when enough have come together. A failure costs speed only.
    pub(crate) async fn merge_batches(&self, newest: DatasetVersion) {
        for width in WIDTHS {
            if !newest.get().is_multiple_of(width) {
                continue;
            }
            if let Err(error) = self.merge(newest, width).await {
                warn!(
                    error = format!("{error:#}"),
                    dataset.version = newest.get(),
                    "small batches cannot be merged"
                );
            }
        }
    }

    async fn merge(&self, last: DatasetVersion, width: u32) -> anyhow::Result<()> {
        let first = DatasetVersion::try_from(i64::from(last) - i64::from(width) + 1)?;
        let (database, store) = (&self.backend.database, &self.backend.store);
        let Some(mut reader) = database.read_mergeable(store, first, last).await? else {
            return Ok(());
        };
        let file =
            tempfile::tempfile_in(&self.rules.scratch).context("the scratch folder cannot be written")?;
        let mut writer = BatchWriter::new(file)?;
        while let Some(samples) = reader.next().await? {
            writer.write(&Part::of(&samples)?)?;
        }
        let merged = writer.finish()?;
        store.put_batch_file(&merged).await?;
        Ok(database.set_merged(first, last, merged.sha256).await?)
    }
}
