//! How long a prediction takes, beside XGBoost's own library: 750 trees of depth 5, one thread.
//!
//! Prints a table for `bench/results/model.md`; `make bench-model` runs it. Each figure is the median
//! and the least of many short rounds: whatever else runs on the machine makes a round slower only.

#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "it is the tests' own: they use more of it, and a bench may break down"
)]
#[path = "../tests/model/boosted.rs"]
mod boosted;

use std::{error::Error, hint::black_box, time::Instant};

use domain::{PartialDiamond, Sample};
use model::{Ranges, Trained, trees::Forest};
use xgboost_rs::Booster;

use boosted::{Recipe, Row};

const RECIPE: Recipe = Recipe {
    trees: 750,
    depth: 5,
    gamma: 0.0,
};
const SAMPLES: usize = 10_000;
const ROUNDS: usize = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let samples = boosted::generated(SAMPLES, 1);
    let rows = boosted::rows(&samples);
    let booster = boosted::train(&rows, &samples, RECIPE);
    println!(
        "`make bench-model`: {} trees of depth {}, one thread, µs per diamond.\n\n| what | median | least |\n|---|---|---|",
        RECIPE.trees, RECIPE.depth
    );
    ours(&boosted::json(&booster), &samples, &rows)?;
    theirs(&booster, &rows);
    Ok(())
}

fn ours(json: &str, samples: &[Sample], rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let forest = Forest::read(json)?;
    let trained = Trained::trees(json.as_bytes(), samples)?;
    let predictor = trained.predictor();
    let ranges = Ranges::calibrate(predictor, &samples[..1_000]);
    let complete: Vec<PartialDiamond> = samples.iter().map(|sample| sample.diamond.into()).collect();
    let masked: Vec<PartialDiamond> = complete.iter().map(PartialDiamond::masked).collect();
    let predict = |diamond: &PartialDiamond| {
        let price = predictor.predict(diamond);
        ranges
            .range(predictor, diamond, price)
            .map_or(price, |range| range.high)
    };
    let explain = |diamond: &PartialDiamond| predictor.explain(diamond).map_or(0.0, |parts| parts.base);
    tell("one row", each(&rows[..50], |row| f64::from(forest.predict(row))));
    tell("one diamond, with its range", each(&complete[..50], predict));
    tell(
        "one diamond of weight and grades, with its range",
        each(&masked[..50], predict),
    );
    tell("one diamond's reasons", each(&complete[..5], explain));
    for n in [1_000, SAMPLES] {
        tell(&format!("batch of {n} rows"), batch(&forest, &rows[..n]));
    }
    Ok(())
}

fn theirs(booster: &Booster, rows: &[Row]) {
    tell(
        "XGBoost's library, one row",
        library(booster, rows, 1, Timed::All),
    );
    tell(
        "the same, without making its matrix",
        library(booster, rows, 1, Timed::Prediction),
    );
    tell(
        "XGBoost's library, one row's contributions",
        library(booster, rows, 1, Timed::Contributions),
    );
    for n in [1_000, SAMPLES] {
        tell(
            &format!("XGBoost's library, batch of {n} rows"),
            library(booster, rows, n, Timed::All),
        );
        tell(
            "the same, without making its matrix",
            library(booster, rows, n, Timed::Prediction),
        );
    }
}

fn tell(what: &str, (median, least): (f64, f64)) {
    println!("| {what} | {median:.2} | {least:.2} |");
}

/// Median and least microseconds per item of rounds over all of `items`, one call each.
fn each<T>(items: &[T], predict: impl Fn(&T) -> f64) -> (f64, f64) {
    rounds(ROUNDS, items.len(), || {
        let start = Instant::now();
        black_box(items.iter().map(|item| predict(black_box(item))).sum::<f64>());
        start.elapsed().as_secs_f64()
    })
}

fn batch(forest: &Forest, rows: &[Row]) -> (f64, f64) {
    rounds(ROUNDS / 10, rows.len(), || {
        let start = Instant::now();
        black_box(forest.predict_batch(black_box(rows)));
        start.elapsed().as_secs_f64()
    })
}

/// What of the library's work counts.
#[derive(Clone, Copy, PartialEq)]
enum Timed {
    All,
    Prediction,
    Contributions,
}

/// The library's batches of `n` rows, at least 20 rows a round.
fn library(booster: &Booster, rows: &[Row], n: usize, timed: Timed) -> (f64, f64) {
    let batches = 20_usize.div_ceil(n);
    rounds(ROUNDS / 10, n * batches, || {
        let batches = rows.chunks_exact(n).take(batches);
        batches.map(|rows| seconds(booster, rows, timed)).sum()
    })
}

/// The library remembers what it said of a matrix, so each is a new one.
fn seconds(booster: &Booster, rows: &[Row], timed: Timed) -> f64 {
    let start = Instant::now();
    let matrix = boosted::matrix(rows);
    let made = start.elapsed();
    if timed == Timed::Contributions {
        black_box(booster.predict_contributions(&matrix).is_ok());
    } else {
        black_box(booster.predict(&matrix).is_ok());
    }
    let all = start.elapsed();
    let counted = if timed == Timed::All { all } else { all - made };
    counted.as_secs_f64()
}

/// Median and least microseconds per item, where `round` gives the seconds of `items`.
fn rounds(count: usize, items: usize, mut round: impl FnMut() -> f64) -> (f64, f64) {
    let mut times: Vec<f64> = (0..count).map(|_| round() * 1e6 / items as f64).collect();
    times.sort_by(f64::total_cmp);
    (times[count / 2], times[0])
}
