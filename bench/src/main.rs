//! Benchmarks over the real services; `make bench-ingest` and its like run them.

mod ingest;
mod memory;
mod serving;
mod training;
mod usage;

use anyhow::Result;
use clap::Parser;

/// Measures the services, built as they are released and with their default settings.
#[derive(Parser)]
enum Bench {
    /// A large CSV, beside polars on the same file; and the way of a usual one to its event.
    Ingest(ingest::Options),
    /// The most memory that training takes, beside XGBoost alone.
    Memory(memory::Options),
    /// A search for boosted trees, beside Optuna on the same file.
    Training(training::Options),
    /// Durable predictions beside a bare echo and FastAPI; then an open loop with swaps.
    Serving(serving::Options),
    /// Puts load on an API and an echo that were built to write down what they do most; measures nothing.
    Profile(serving::ProfileOptions),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Bench::parse() {
        Bench::Ingest(options) => ingest::run(options).await,
        Bench::Memory(options) => memory::run(options).await,
        Bench::Training(options) => training::run(&options),
        Bench::Serving(options) => serving::run(options).await,
        Bench::Profile(options) => serving::profile(options).await,
    }
}
