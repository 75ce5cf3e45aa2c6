//! How fast prices are answered and recorded, beside a bare echo and the usual way in Python.

mod open_loop;
mod peers;
mod plot;
mod profile;
mod report;
mod soak;
mod swaps;
mod system;
mod wrk;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use testkit::{World, in_world};

pub(crate) use self::profile::{Options as ProfileOptions, run as profile};
use self::{
    peers::Server,
    report::{CALM, ECHO, OpenRound, Round, SWAPS},
    system::System,
};

/// What every server is asked; nothing of it is left out.
pub(crate) const BODY: &str = r#"{"carat":1.1,"cut":"Ideal","color":"H","clarity":"SI2","depth":61.5,"table":55,"x":6.6,"y":6.6,"z":4.1}"#;

/// Connections of the closed loop.
const CONNECTIONS: u32 = 64;

#[derive(Args)]
pub(crate) struct Options {
    /// How often each server is measured, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How long each time.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = CONNECTIONS)]
    connections: u32,
    /// How many swaps there are under load, in all turns together; an even number each.
    #[arg(long, default_value_t = 100)]
    swaps: usize,
    /// In how many turns the open loop is measured: the echo, calm, with swaps.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    turns: u32,
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
        let echo = peers::echo(&[]).await?;
        let rounds = closed(&world, &system, &echo, &options).await?;
        println!("{}", report::ratios(&rounds));
        plot::rounds(&rounds)?;

        let open = open(&world, &system, &echo, &rounds, &options).await?;
        println!("{}", report::verdict(&rounds, &open));
        plot::latencies(&open)?;
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

/// The open loop in turns: the echo, which tells what the machine does to anyone, then ours, calm and during swaps. Each
/// takes as long as that with swaps.
async fn open(
    world: &World,
    system: &System,
    echo: &Server,
    rounds: &[Round],
    options: &Options,
) -> Result<Vec<OpenRound>> {
    let (bare, ours) = (
        report::half(rounds, echo.name),
        report::half(rounds, system.server.name),
    );
    // There and back.
    let swaps = options.swaps.div_ceil(options.turns as usize).next_multiple_of(2);
    println!("{}", report::open_heading(bare, ours, swaps));
    let mut open = Vec::new();
    for number in 1..=options.turns {
        let seconds = swaps::seconds(swaps);
        let outcomes = [
            (ECHO, open_loop::run(echo.address, bare, seconds).await?),
            (CALM, open_loop::run(system.address(), ours, seconds).await?),
            (
                SWAPS,
                swaps::during(world, system, swaps, |seconds| {
                    open_loop::run(system.address(), ours, seconds)
                })
                .await?,
            ),
        ];
        for (load, outcome) in outcomes {
            let round = OpenRound {
                number,
                load,
                outcome,
            };
            println!("{}", round.row());
            open.push(round);
        }
    }
    println!("{}", report::open_medians(&open));
    Ok(open)
}
