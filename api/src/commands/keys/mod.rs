//! `api keys`: making, listing and revoking API keys.

mod add;
mod list;
mod revoke;

use std::process::ExitCode;

use ::service::config;
use anyhow::Context as _;
use clap::Subcommand;
use storage::{Database, DatabaseSettings};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes a key and prints it, once; with --from-env, takes one that there is.
    Add(add::Add),
    /// Lists every key, without its text.
    List,
    /// Revokes a key: from then on it does not work.
    Revoke(revoke::Revoke),
}

impl Command {
    /// Runs it; what goes wrong is told in one sentence, without the backtrace that a service's end deserves.
    pub(super) async fn run(self) -> ExitCode {
        let done = match self {
            Self::Add(add) => add.run().await,
            Self::List => list::run().await,
            Self::Revoke(revoke) => revoke.run().await,
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Connects to the registry that the settings name.
async fn registry() -> anyhow::Result<Database> {
    let settings = DatabaseSettings::for_command(config::load()?.postgres.url, "api keys");
    Database::connect(&settings)
        .await
        .context("the keys in Postgres cannot be reached")
}
