//! `api traffic drain FOLDER`.

use std::path::PathBuf;

use clap::Args;

use crate::record::drain_folder;

#[derive(Args)]
pub(crate) struct Drain {
    /// The folder with the `.spool` files, such as `spool/0`; no process may hold it.
    folder: PathBuf,
}

impl Drain {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let database = crate::commands::registry("api traffic").await?;
        let records = drain_folder(&self.folder, &database).await?;
        println!("{records} records were drained from {}", self.folder.display());
        Ok(())
    }
}
