//! The commands, one file each.

mod keys;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What the command line says.
#[derive(Parser)]
#[command(
    name = "api",
    about = "The REST API, and the keys to it; without a command, it serves"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is told to stop.
    Serve,
    /// Makes, lists and revokes API keys.
    #[command(subcommand)]
    Keys(keys::Command),
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None | Some(Command::Serve) => serve::run().await.map(|()| ExitCode::SUCCESS),
            Some(Command::Keys(command)) => Ok(command.run().await),
        }
    }
}
