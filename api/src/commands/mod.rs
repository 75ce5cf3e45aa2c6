//! The commands, one file each.

mod keys;
mod replay;
mod serve;
mod traffic;

use std::process::ExitCode;

use ::service::config;
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use storage::{Database, DatabaseSettings};

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
    /// Drains, deletes and exports traffic records.
    #[command(subcommand)]
    Traffic(traffic::Command),
    /// Makes recorded predictions again, by the model of their moment or by another.
    Replay(replay::Replay),
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None | Some(Command::Serve) => serve::run().await.map(|()| ExitCode::SUCCESS),
            Some(Command::Keys(command)) => Ok(command.run().await),
            Some(Command::Traffic(command)) => Ok(command.run().await),
            Some(Command::Replay(replay)) => Ok(replay.run().await),
        }
    }
}

/// How a command ends: what goes wrong is told in one sentence, without the backtrace that a service's end deserves.
fn ended(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Connects to the registry that the settings name.
async fn registry(application: &str) -> anyhow::Result<Database> {
    let settings = DatabaseSettings::for_command(config::load()?.postgres.url, application);
    Database::connect(&settings)
        .await
        .context("Postgres cannot be reached")
}
