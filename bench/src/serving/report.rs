//! The report: what was measured, as Markdown.

use anyhow::Result;
use testkit::World;

use super::{
    Options,
    open_loop::Outcome,
    system::{System, setting},
    wrk::Measured,
};

pub(super) const TABLE: &str = "| round | server | requests/s | p50 ms | p99 ms | server CPU µs/request | machine CPU µs/request |\n\
    |---|---|---|---|---|---|---|";

/// One server in one round.
pub(super) struct Round {
    pub(super) number: u32,
    pub(super) server: &'static str,
    pub(super) measured: Measured,
}

impl Round {
    pub(super) fn row(&self) -> String {
        let it = &self.measured;
        format!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} |",
            self.number, self.server, it.per_second, it.p50_ms, it.p99_ms, it.server_us, it.machine_us
        )
    }
}

pub(super) async fn heading(world: &World, system: &System, options: &Options) -> Result<String> {
    let champion = &system.champion;
    Ok(format!(
        "# Serving\n\nChampion: {}, version {}, parameters {}, trained on every tenth of the bundled stones at the prices of a \
         law, give or take 4.4 %: of real prices a search makes fewer trees. FastAPI serves the same trees. Postgres: fsync {}, full_page_writes {}, \
         synchronous_commit {}. {} connections, {} s a round, servers in turns, load and Postgres on the same cores.\n",
        champion["kind"],
        champion["version"],
        champion["parameters"],
        setting(world, "fsync").await?,
        setting(world, "full_page_writes").await?,
        setting(world, "synchronous_commit").await?,
        options.connections,
        options.seconds,
    ))
}

/// The median of a server's rounds.
pub(super) fn median(rounds: &[Round], server: &str) -> Option<f64> {
    let mut numbers: Vec<_> = rounds
        .iter()
        .filter(|round| round.server == server)
        .map(|round| round.measured.per_second)
        .collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

/// Half of what a server answers at the most.
pub(super) fn half(rounds: &[Round], server: &str) -> f64 {
    median(rounds, server).unwrap_or(0.0) / 2.0
}

pub(super) fn ratios(rounds: &[Round]) -> String {
    let ours = median(rounds, "lapidary").unwrap_or(f64::NAN);
    let to =
        |server: &str| median(rounds, server).map_or("-".to_owned(), |peer| format!("{:.2}", ours / peer));
    format!(
        "\nMedians: lapidary ÷ echo = {} (at least 0.5 wanted), lapidary ÷ FastAPI = {} (at least 30 wanted).\n",
        to("echo"),
        to("fastapi")
    )
}

pub(super) fn open_loop(name: &str, rate: f64, outcome: &Outcome) -> String {
    let example = outcome.example.as_deref().and_then(|it| it.lines().next());
    format!(
        "Open loop at {rate:.0}/s, {name}: {:.0}/s answered, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, worst {:.2} ms, \
         {} failures{}.\n",
        outcome.per_second,
        outcome.at(0.5),
        outcome.at(0.99),
        outcome.at(0.999),
        outcome.at(1.0),
        outcome.failures,
        example.map_or(String::new(), |it| format!(" ({it})")),
    )
}

pub(super) fn verdict(rounds: &[Round], calm: &Outcome, busy: &Outcome) -> String {
    let ours = median(rounds, "lapidary").unwrap_or(f64::NAN);
    let target = |name: &str, met: bool| format!("- {name}: {}\n", if met { "met" } else { "missed" });
    let over = |server: &str, factor: f64| median(rounds, server).is_some_and(|peer| ours >= factor * peer);
    [
        target("0.5 × echo", over("echo", 0.5)),
        target("30 × FastAPI", over("fastapi", 30.0)),
        target("p99 ≤ 10 ms at half rate", calm.at(0.99) <= 10.0),
        target("swaps ≤ 1.2 × p99", busy.at(0.99) <= 1.2 * calm.at(0.99)),
        target("no failure", calm.failures + busy.failures == 0),
    ]
    .concat()
}
