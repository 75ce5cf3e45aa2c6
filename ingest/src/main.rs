//! The inbox service: dropped files become dataset versions.

mod archive;
mod commands;
mod decisions;
mod inbox;
mod intake;
mod journal;
mod known;
mod metrics;
mod progress;
mod reading;
mod regular;
mod service;
#[cfg(test)]
mod testing;
mod unmoved;
mod unread;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    commands::Arguments::parse().run().await
}
