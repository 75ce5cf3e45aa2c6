//! `api traffic`: draining spools that were left, deleting old records, exporting.

mod csv;
mod drain;
mod export;
mod retain;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Brings the records of a spool that a process left behind into Postgres.
    Drain(drain::Drain),
    /// Lists the days whose records need not be kept any longer; with --delete, deletes them.
    Retain(retain::Retain),
    /// Writes records to a file, as Parquet or CSV by its name.
    Export(export::Export),
}

impl Command {
    /// Runs it; what goes wrong is told in one sentence.
    pub(super) async fn run(self) -> ExitCode {
        let done = match self {
            Self::Drain(drain) => drain.run().await,
            Self::Retain(retain) => retain.run().await,
            Self::Export(export) => export.run().await,
        };
        super::ended(done)
    }
}
