//! The training worker: new dataset versions become model versions.

mod attempt;
mod challengers;
mod commands;
mod gate;
mod memory;
mod samples;
mod service;
mod trainer;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    commands::Arguments::parse().run().await
}
