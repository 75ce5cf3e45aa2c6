//! The commands, one file each.

mod retain;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What the command line says.
#[derive(Parser)]
#[command(
    name = "ingest",
    about = "The inbox service, and its housekeeping; without a command, it serves"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is told to stop.
    Serve,
    /// Lists, and with --delete deletes, what is no longer kept: old files, and batches that nothing in use needs.
    Retain(retain::Retain),
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None | Some(Command::Serve) => serve::run().await.map(|()| ExitCode::SUCCESS),
            Some(Command::Retain(retain)) => Ok(retain.run().await),
        }
    }
}
