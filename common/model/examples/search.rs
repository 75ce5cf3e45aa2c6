//! Searches for boosted trees on one part of a CSV, and prints how they do on the other, as one line of JSON.
//!
//! `cargo run --release -p model --features learners --example search -- FILE.csv SPLIT.json SEED`, where the list
//! `test_lines` in `SPLIT.json` says which lines are the other part, the header being line 1.

use std::{
    collections::HashSet,
    env,
    error::Error,
    fs,
    num::NonZeroUsize,
    thread,
    time::{Duration, Instant},
};

use domain::{
    Sample,
    row::{Column, RawRow, judge},
};
use model::learn::xgboost::{Next, SearchSettings, Trial, Watch, search};
use serde_json::{Value, json};
use xgboost_rs::{Booster, DMatrix};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As many as the search of the challenge's notebook makes.
const TRIALS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, split, seed] = arguments.as_slice() else {
        return Err("usage: search FILE.csv SPLIT.json SEED".into());
    };
    let (training, test) = read(file, &test_lines(split)?)?;
    let settings = SearchSettings {
        trials: TRIALS,
        threads: thread::available_parallelism()?,
        seed: seed.parse()?,
    };
    println!("{}", report(&training, &test, &settings)?);
    Ok(())
}

/// Keeps the time, and stops nothing.
struct Stopwatch(Instant);

impl Watch for Stopwatch {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn batch_finished(&mut self, _trials: &[Trial]) -> Next {
        Next::GoOn
    }
}

fn report(training: &[Sample], test: &[Sample], settings: &SearchSettings) -> Result<Value> {
    let started = Instant::now();
    let found = search(training, settings, &mut Stopwatch(started))?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({
        "seed": settings.seed,
        "seconds": seconds,
        "test_mae": mae(&found.booster, test)?,
        "validation_mae": found.validation_mae,
        "training_rows": training.len(),
        "test_rows": test.len(),
        "parameters": found.parameters,
        "rounds": found.rounds,
        "bytes": found.booster.len(),
        "pruned": found.trials.iter().filter(|trial| trial.pruned).count(),
        "trees_grown": found.trials.iter().map(|trial| trial.grown).sum::<u32>(),
    }))
}

fn test_lines(split: &str) -> Result<HashSet<u64>> {
    let split: Value = serde_json::from_slice(&fs::read(split)?)?;
    let lines = split["test_lines"]
        .as_array()
        .ok_or("the split has no test_lines")?;
    Ok(lines.iter().filter_map(Value::as_u64).collect())
}

/// The good rows: for training, and those on the lines of the test.
fn read(file: &str, test_lines: &HashSet<u64>) -> Result<(Vec<Sample>, Vec<Sample>)> {
    let mut reader = csv::Reader::from_path(file)?;
    let places = places(reader.headers()?)?;
    let (mut training, mut test) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record?;
        let line = record.position().ok_or("a record has no place")?.line();
        let Ok(sample) = judge(&RawRow(places.map(|place| record.get(place).unwrap_or_default()))) else {
            continue;
        };
        let part = if test_lines.contains(&line) {
            &mut test
        } else {
            &mut training
        };
        part.push(sample);
    }
    Ok((training, test))
}

fn places(header: &csv::StringRecord) -> Result<[usize; Column::ALL.len()]> {
    let place = |column: Column| header.iter().position(|name| name == column.name());
    let places: Vec<usize> = Column::ALL.into_iter().filter_map(place).collect();
    places.try_into().map_err(|_| "a column is missing".into())
}

/// The mean absolute error in dollars, by XGBoost's own prediction.
fn mae(booster: &[u8], samples: &[Sample]) -> Result<f64> {
    let rows: Vec<f32> = samples.iter().flat_map(row).collect();
    let columns = rows.len() / samples.len();
    let (row_bytes, bytes) = (columns * size_of::<f32>(), size_of::<f32>());
    let table = DMatrix::from_col_major_f32(&rows, row_bytes, bytes, samples.len(), columns, 1, f32::NAN)?;
    let prices = Booster::load_buffer(booster)?.predict(&table)?;
    let errors = prices
        .iter()
        .zip(samples)
        .map(|(price, sample)| (f64::from(*price) - sample.price.get()).abs());
    Ok(errors.sum::<f64>() / samples.len() as f64)
}

fn row(sample: &Sample) -> [f32; 9] {
    let diamond = &sample.diamond;
    let grades = [diamond.cut.rank(), diamond.color.rank(), diamond.clarity.rank()].map(|rank| rank as f32);
    let numbers = [
        diamond.depth.get(),
        diamond.table.get(),
        diamond.x.get(),
        diamond.y.get(),
        diamond.z.get(),
    ];
    let [depth, table, x, y, z] = numbers.map(|number| number as f32);
    let [cut, color, clarity] = grades;
    [
        diamond.carat.get() as f32,
        cut,
        color,
        clarity,
        depth,
        table,
        x,
        y,
        z,
    ]
}
