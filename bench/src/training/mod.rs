//! How long the search for boosted trees takes, and how good what it finds is, beside the notebook's Optuna loop.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;

mod plot;

#[derive(Args)]
pub(crate) struct Options {
    /// A CSV of diamonds.
    #[arg(long)]
    data: PathBuf,
    /// JSON whose `test_lines` are the lines of the file that neither side trains on.
    #[arg(long)]
    split: PathBuf,
    /// The example `search` of the crate `model`.
    #[arg(long)]
    search: PathBuf,
    /// A Python that has what `bench/peers/training.txt` names.
    #[arg(long)]
    python: PathBuf,
    /// `bench/peers/optuna_search.py`.
    #[arg(long)]
    peer: PathBuf,
    /// How many searches each side makes, with seeds from 0.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Where the plot is written, as SVG.
    #[arg(long)]
    plot: PathBuf,
}

/// One search and what came of it.
struct Outcome {
    /// From the samples in memory to the fitted model.
    seconds: f64,
    /// On the lines of the test, in dollars.
    test_mae: f64,
    /// How many samples it trained on, and how many it was tested on.
    rows: (u64, u64),
}

/// Both sides with one seed.
struct Round {
    optuna: Outcome,
    ours: Outcome,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    println!("100 trials each, on {cores} cores, the two in turns; the test MAE is in dollars.\n");
    println!("| seed | Optuna s | test MAE | Lapidary s | test MAE | Optuna / Lapidary |");
    println!("|---|---|---|---|---|---|");
    let mut rounds = Vec::new();
    for seed in 0..options.seeds {
        let round = round(options, seed)?;
        println!("| {seed} | {} |", round.cells());
        rounds.push(round);
    }
    let mean = mean(&rounds);
    println!("| mean | {} |", mean.cells());
    let (training, test) = mean.ours.rows;
    println!("\n{training} samples to train on, {test} to test on.");
    plot::draw(&rounds, &options.plot)
}

fn round(options: &Options, seed: u64) -> Result<Round> {
    let peer = [options.peer.as_os_str()];
    let round = Round {
        optuna: search(&options.python, &peer, options, seed)?,
        ours: search(&options.search, &[], options, seed)?,
    };
    ensure!(
        round.optuna.rows == round.ours.rows,
        "the two sides take different rows: {:?} and {:?}",
        round.optuna.rows,
        round.ours.rows
    );
    Ok(round)
}

/// One search in a process of its own, which prints its figures as JSON.
fn search(program: &Path, first: &[&OsStr], options: &Options, seed: u64) -> Result<Outcome> {
    let mut command = Command::new(program);
    command
        .args(first)
        .arg(&options.data)
        .arg(&options.split)
        .arg(seed.to_string());
    let output = command
        .output()
        .with_context(|| format!("{} did not start", program.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let figures: Value = serde_json::from_slice(&output.stdout)?;
    let rows = |name: &str| figures[name].as_u64().with_context(|| format!("no {name}"));
    Ok(Outcome {
        seconds: figures["seconds"].as_f64().context("no seconds")?,
        test_mae: figures["test_mae"].as_f64().context("no test_mae")?,
        rows: (rows("training_rows")?, rows("test_rows")?),
    })
}

impl Round {
    fn cells(&self) -> String {
        let Self { optuna, ours } = self;
        format!(
            "{:.1} | {:.1} | {:.2} | {:.1} | {:.1}",
            optuna.seconds,
            optuna.test_mae,
            ours.seconds,
            ours.test_mae,
            optuna.seconds / ours.seconds
        )
    }
}

fn mean(rounds: &[Round]) -> Round {
    let of = |side: fn(&Round) -> &Outcome| {
        let mean = |figure: fn(&Outcome) -> f64| {
            rounds.iter().map(|round| figure(side(round))).sum::<f64>() / rounds.len() as f64
        };
        Outcome {
            seconds: mean(|outcome| outcome.seconds),
            test_mae: mean(|outcome| outcome.test_mae),
            rows: rounds.first().map_or((0, 0), |round| side(round).rows),
        }
    };
    Round {
        optuna: of(|round| &round.optuna),
        ours: of(|round| &round.ours),
    }
}
