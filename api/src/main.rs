//! The REST API: prices, similar samples and the registry, every answer on record.

mod auth;
mod base64;
mod body;
mod commands;
mod key;
mod neighbours;
mod problem;
mod record;
mod routes;
mod service;
mod serving;

use std::process::ExitCode;

use clap::Parser as _;

/// Requests and their records are many small things, made on one thread and dropped on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    commands::Arguments::parse().run().await
}
