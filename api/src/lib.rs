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

use std::{env, num::NonZero, process::ExitCode, thread::available_parallelism};

use clap::Parser as _;
use tokio::runtime;

/// Tokio's own setting.
const WORKERS: &str = "TOKIO_WORKER_THREADS";

/// Does what the command line says.
///
/// # Errors
///
/// When the service cannot start, or ends in disorder.
pub fn run() -> anyhow::Result<ExitCode> {
    let arguments = commands::Arguments::parse();
    let mut runtime = runtime::Builder::new_multi_thread();
    if env::var_os(WORKERS).is_none() {
        runtime.worker_threads(workers(available_parallelism().map_or(1, NonZero::get)));
    }
    runtime.enable_all().build()?.block_on(arguments.run())
}

/// How many threads answer requests: one processor is the committer's and that of the process of Postgres it talks to,
/// which are as busy together. Where a worker competes with them, records wait for answers and answers for records: two
/// processors answer 9 % fewer requests with two workers than with one.
fn workers(processors: usize) -> usize {
    processors.saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_is_left_to_the_committer_where_there_are_more() {
        assert_eq!([1, 2, 3, 8].map(workers), [1, 1, 2, 7]);
    }
}
