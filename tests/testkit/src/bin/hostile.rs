//! Attacks a system of its own for a while, and says whether an honest client noticed.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Parser;
use testkit::{allow_open_files, hostile, in_world};

/// The longest that the slowest one in a hundred honest requests may take, in milliseconds.
const P99_MS: f64 = 50.0;
/// The default of `api.body_timeout_ms`; a short attack has a shorter one.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Attack an API with everything at once while an honest client measures.
///
/// It needs the services' binaries beside its own, and the servers of the tests.
#[derive(Parser)]
struct Arguments {
    /// How long the attack lasts; the client measures for a quarter of that before.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let attacked = Duration::from_secs(Arguments::parse().seconds);
    allow_open_files(4096)?;
    let mut code = ExitCode::FAILURE;
    in_world(|world| {
        let code = &mut code;
        async move {
            let system = hostile::System::start(&world, BODY_TIMEOUT.min(attacked / 4)).await?;
            let outcome = system.attack(&world, attacked / 4, attacked).await?;
            println!("{outcome}");
            let mut missed = outcome.missed(attacked);
            missed.extend(outcome.missing().0);
            if outcome.attacked.at(0.99) > P99_MS {
                missed.push(format!("the honest client's p99 is above {P99_MS} ms"));
            }
            for bound in &missed {
                println!("missed: {bound}");
            }
            if missed.is_empty() {
                println!("every bound is kept");
                *code = ExitCode::SUCCESS;
            }
            Ok(())
        }
    })
    .await?;
    Ok(code)
}
