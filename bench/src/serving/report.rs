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

/// Loads of the open loop.
pub(super) const ECHO: &str = "echo";
pub(super) const CALM: &str = "calm";
pub(super) const SWAPS: &str = "swaps";

/// One load of the open loop in one turn.
pub(super) struct OpenRound {
    pub(super) number: u32,
    pub(super) load: &'static str,
    pub(super) outcome: Outcome,
}

impl OpenRound {
    pub(super) fn row(&self) -> String {
        let it = &self.outcome;
        let example = it.example.as_deref().and_then(|it| it.lines().next());
        format!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {}{} |",
            self.number,
            self.load,
            it.per_second,
            it.at(0.5),
            it.at(0.99),
            it.at(0.999),
            it.at(1.0),
            it.machine_us,
            it.failures,
            example.map_or(String::new(), |it| format!(" ({it})")),
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
    middle(speeds(rounds, server))
}

/// The one in the middle.
fn middle(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

/// Half of what a server answers at the most.
pub(super) fn half(rounds: &[Round], server: &str) -> f64 {
    median(rounds, server).unwrap_or(0.0) / 2.0
}

/// What we answer for each answer of a peer in the same round, the median of the rounds: the machine is not equally fast
/// in all.
fn ratio(rounds: &[Round], peer: &str) -> Option<f64> {
    let (ours, peers) = (speeds(rounds, "lapidary"), speeds(rounds, peer));
    middle(ours.iter().zip(peers).map(|(ours, peer)| ours / peer).collect())
}

/// Requests a second of a server, by round.
fn speeds(rounds: &[Round], server: &str) -> Vec<f64> {
    let rounds = rounds.iter().filter(|round| round.server == server);
    rounds.map(|round| round.measured.per_second).collect()
}

pub(super) fn ratios(rounds: &[Round]) -> String {
    let to = |peer: &str| ratio(rounds, peer).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    format!(
        "\nMedians of the rounds' ratios: lapidary ÷ echo = {} (at least 0.5 wanted), lapidary ÷ FastAPI = {} (at least 30 wanted).\n",
        to("echo"),
        to("fastapi")
    )
}

pub(super) fn open_heading(bare: f64, ours: f64, swaps: usize) -> String {
    format!(
        "Open loop at half of these, in turns: the echo at {bare:.0}/s, ours at {ours:.0}/s, calm and with {swaps} swaps a \
         turn. Times count from when a request was to be sent.\n\n\
         | turn | load | answered/s | p50 ms | p99 ms | p99.9 ms | worst ms | machine CPU µs/request | failures |\n|---|---|---|---|---|---|---|---|---|"
    )
}

/// The median of what a load's turns say.
fn median_of(open: &[OpenRound], load: &str, number: impl Fn(&Outcome) -> f64) -> f64 {
    let turns = open.iter().filter(|round| round.load == load);
    middle(turns.map(|round| number(&round.outcome)).collect()).unwrap_or(f64::NAN)
}

fn p99(open: &[OpenRound], load: &str) -> f64 {
    median_of(open, load, |outcome| outcome.at(0.99))
}

pub(super) fn open_medians(open: &[OpenRound]) -> String {
    let told = [ECHO, CALM, SWAPS].map(|load| {
        let p50 = median_of(open, load, |outcome| outcome.at(0.5));
        format!("{load} p50 {p50:.2} and p99 {:.2} ms", p99(open, load))
    });
    format!(
        "\nMedians of the turns: {}. With swaps ÷ calm: p99 {:.2} (at most 1.2 wanted).\n",
        told.join(", "),
        p99(open, SWAPS) / p99(open, CALM)
    )
}

pub(super) fn verdict(rounds: &[Round], open: &[OpenRound]) -> String {
    let target = |name: &str, met: bool| format!("- {name}: {}\n", if met { "met" } else { "missed" });
    let over = |peer: &str, factor: f64| ratio(rounds, peer).is_some_and(|ratio| ratio >= factor);
    [
        target("0.5 × echo", over("echo", 0.5)),
        target("30 × FastAPI", over("fastapi", 30.0)),
        target("p99 ≤ 10 ms at half rate", p99(open, CALM) <= 10.0),
        target("swaps ≤ 1.2 × p99", p99(open, SWAPS) <= 1.2 * p99(open, CALM)),
        target("no failure", open.iter().all(|round| round.outcome.failures == 0)),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_compared_within_a_round() {
        let round = |server, per_second| Round {
            number: 1,
            server,
            measured: Measured {
                per_second,
                p50_ms: 1.0,
                p99_ms: 1.0,
                server_us: 1.0,
                machine_us: 1.0,
            },
        };
        // Half of the echo in each but the last, however fast the machine was; of the medians, a fifth.
        let speeds = [(100.0, 50.0), (20.0, 10.0), (200.0, 20.0)];
        let rounds = speeds.map(|(echo, ours)| [round("echo", echo), round("lapidary", ours)]);
        let ratio = ratio(rounds.as_flattened(), "echo").unwrap();
        assert!((ratio - 0.5).abs() < 1e-9, "{ratio}");
    }
}
