//! The commands, one file each.

mod bar;
mod kinds;
mod run;
mod serve;
mod verify;

use std::process::ExitCode;

use ::service::{
    config::{Config, Telemetry},
    telemetry,
};
use backend::Backend;
use clap::{Parser, Subcommand};

/// What the command line says.
#[derive(Parser)]
#[command(
    name = "trainer",
    about = "The training worker, and training on demand; without a command, it serves"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is told to stop.
    Serve,
    /// Trains one kind now; the model goes before the gate as any other.
    Run(run::Run),
    /// Lists the kinds of models, and which of them are switched on; or unbinds the queue of one.
    Kinds(kinds::Kinds),
    /// Trains a model version again and compares the artifact, byte for byte.
    Verify(verify::Verify),
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None | Some(Command::Serve) => serve::run().await.map(|()| ExitCode::SUCCESS),
            Some(Command::Run(run)) => run.run().await,
            Some(Command::Kinds(kinds)) => kinds.run().await.map(|()| ExitCode::SUCCESS),
            Some(Command::Verify(verify)) => verify.run().await,
        }
    }
}

/// The servers, for a command: only warnings are logged, for the command speaks for itself.
async fn connect(config: &Config) -> anyhow::Result<Backend> {
    let quiet = Telemetry {
        log: "warn".to_owned(),
        ..config.telemetry.clone()
    };
    telemetry::init(&quiet, "trainer")?;
    Backend::connect(config, "trainer command").await
}
