//! The REST API: prices, similar samples and the registry, every answer on record.
//!
//! What is public here is for the command ([`run`]) and for measuring ([`neighbours`]).

mod access;
mod around;
mod base64;
mod commands;
mod cors;
mod disk;
mod feed;
mod headers;
mod input;
mod key;
mod limits;
mod measure;
pub mod neighbours;
mod problem;
mod record;
mod replay;
mod routes;
mod server;
mod service;
mod serving;
mod work;

use std::process::ExitCode;

use clap::Parser as _;

/// Does what the command line says.
///
/// # Errors
///
/// When the service cannot start, or ends in disorder.
pub async fn run() -> anyhow::Result<ExitCode> {
    commands::Arguments::parse().run().await
}
