//! The inbox service: dropped files become dataset versions.

mod archive;
mod commands;
mod decisions;
mod healing;
mod inbox;
mod intake;
mod journal;
mod known;
mod merging;
mod metrics;
mod moving_rows;
mod progress;
mod reading;
mod regular;
mod service;
mod storing;
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
