//! The REST API's command.

use std::process::ExitCode;

/// Requests and their records are many small things, made on one thread and dropped on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    api::run()
}
