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
mod registry;
mod replay;
mod routes;
mod server;
mod service;
mod serving;
mod shares;
mod work;

use std::{env, ffi::OsString, num::NonZero, process::ExitCode, thread::available_parallelism};

use anyhow::Context as _;
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
    take_small_pages();
    let processors = available_parallelism().map_or(1, NonZero::get);
    let workers = workers(env::var_os(WORKERS), processors)?;
    let mut runtime = runtime::Builder::new_multi_thread();
    runtime.worker_threads(workers).enable_all();
    runtime.build()?.block_on(arguments.run())
}

/// From now on the kernel gives this process memory by small pages. It fills one of two megabytes with zeros in one go,
/// which takes up to 4 ms on a virtual machine, and a model that is loaded asks for several: everybody who waits for that
/// processor waits meanwhile. (What holds the allocator's memory makes no difference to how fast requests are answered.)
fn take_small_pages() {
    // Elsewhere, or where it is not possible, all goes on the same, with longer waits.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

/// How many threads answer requests, unless it is `set`: one processor is the committer's and that of the process of
/// Postgres it talks to, which are as busy together. Where a worker competes with them, records wait for answers and
/// answers for records: two processors answer 9 % fewer requests with two workers than with one.
fn workers(set: Option<OsString>, processors: usize) -> anyhow::Result<usize> {
    let Some(set) = set else {
        return Ok(processors.saturating_sub(1).max(1));
    };
    let number = set.to_str().and_then(|set| set.trim().parse().ok());
    let number: NonZero<usize> =
        number.with_context(|| format!("{WORKERS} is {set:?}; it takes a number of threads, at least 1"))?;
    Ok(number.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_is_left_to_the_committer_where_there_are_more() {
        assert_eq!([1, 2, 3, 8].map(|it| workers(None, it).unwrap()), [1, 1, 2, 7]);
    }

    #[test]
    fn a_number_that_is_set_counts_and_what_is_none_is_told() {
        let set = |to: &str| workers(Some(to.into()), 4).map_err(|error| error.to_string());
        assert_eq!(set(" 6 "), Ok(6));
        for wrong in ["", "0", "-1", "two"] {
            let told = format!("{WORKERS} is {wrong:?}; it takes a number of threads, at least 1");
            assert_eq!(set(wrong), Err(told));
        }
    }
}
