//! How fast prices are answered and recorded, beside a bare echo and the usual way in Python.

mod open_loop;
mod peers;
mod plot;
mod report;
mod soak;
mod swaps;
mod system;
mod wrk;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use testkit::{World, in_world};

use self::{peers::Server, report::Round, system::System};

/// What every server is asked; nothing of it is left out.
pub(crate) const BODY: &str = r#"{"carat":1.1,"cut":"Ideal","color":"H","clarity":"SI2","depth":61.5,"table":55,"x":6.6,"y":6.6,"z":4.1}"#;

#[derive(Args)]
pub(crate) struct Options {
    /// How often each server is measured, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How long each time.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// How many swaps there are under load.
    #[arg(long, default_value_t = 100)]
    swaps: usize,
    /// How many minutes the API is under full load afterwards, for its memory.
    #[arg(long, default_value_t = 5)]
    soak_minutes: u32,
    /// A Python with the packages of bench/peers/serving.txt; without it, that peer is not measured.
    #[arg(long)]
    python: Option<PathBuf>,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    wrk::check()?;
    in_world(|world| async move {
        let system = System::start(&world).await?;
        println!("{}", report::heading(&world, &system, &options).await?);
        let echo = peers::echo().await?;
        let rounds = closed(&world, &system, &echo, &options).await?;
        println!("{}", report::ratios(&rounds));
        plot::rounds(&rounds)?;

        // Each as long as that with swaps, so that what machine and disk do meanwhile is in all.
        let seconds = swaps::seconds(options.swaps);
        let rate = report::half(&rounds, echo.name);
        let bare = open_loop::run(echo.address, rate, seconds).await?;
        println!("{}", report::open_loop("echo", rate, &bare));
        let rate = report::half(&rounds, system.server.name);
        let calm = open_loop::run(system.address(), rate, seconds).await?;
        println!("{}", report::open_loop("calm", rate, &calm));
        let (busy, swapped) = swaps::during(&world, &system, options.swaps, |seconds| {
            open_loop::run(system.address(), rate, seconds)
        })
        .await?;
        println!("{}", report::open_loop(&format!("{swapped} swaps"), rate, &busy));
        println!("{}", report::verdict(&rounds, &calm, &busy));
        plot::latencies(&bare, &calm, &busy)?;
        let mib = soak::run(&world, &system, options.soak_minutes, options.connections).await?;
        if !mib.is_empty() {
            println!("{}", soak::told(&mib));
        }
        Ok(())
    })
    .await
}

/// Every server in turns, so that whatever else happens on the machine happens to all of them.
async fn closed(world: &World, system: &System, echo: &Server, options: &Options) -> Result<Vec<Round>> {
    let python = match &options.python {
        Some(python) => Some(peers::fastapi(world, python, &system.booster(world).await?).await?),
        None => None,
    };
    println!("{}", report::TABLE);
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        let servers = [Some(echo), Some(&system.server), python.as_ref()];
        for server in servers.into_iter().flatten() {
            let measured = wrk::run(server, options.seconds, options.connections)?;
            let round = Round {
                number,
                server: server.name,
                measured,
            };
            println!("{}", round.row());
            rounds.push(round);
        }
    }
    Ok(rounds)
}
