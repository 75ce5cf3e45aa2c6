//! Measures `GET /v1/diamonds/similar` in process: how long an answer takes, and the memory of a sample.
//!
//! `cargo run --release --workspace --example similar -- 10000000`

use std::{env, hint::black_box, time::Instant};

use api::neighbours::{Builder, Neighbours};
use domain::{
    Carat, Clarity, Color, Cut, Sample,
    row::{RawRow, judge},
};

const QUESTIONS: u32 = 20_000;

fn main() {
    let samples = env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000_000);
    println!("| grades | samples | bytes a sample | n | median µs | p99 µs |");
    println!("|---|---|---|---|---|---|");
    for (name, spread) in [("280 combinations", true), ("one combination", false)] {
        let index = index(samples, spread);
        let bytes = index.bytes() as f64 / index.len() as f64;
        for n in [5, 1000] {
            let (median, p99) = measure(&index, n);
            println!("| {name} | {samples} | {bytes:.1} | {n} | {median:.1} | {p99:.1} |");
        }
    }
}

/// Samples whose carats run in long ties, as they do in the trade.
fn index(samples: u32, spread: bool) -> Neighbours {
    let mut builder = Builder::default();
    let mut chance = 1_u64;
    let part = 100_000;
    for begin in (0..samples).step_by(part) {
        let count = part.min((samples - begin) as usize);
        let some: Vec<_> = (0..count)
            .filter_map(|_| sample(next(&mut chance), spread))
            .collect();
        builder.add(&some);
    }
    builder.build()
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *state >> 33
}

fn sample(chance: u64, spread: bool) -> Option<Sample> {
    let pick = |names: &[&'static str], by: u64| {
        names[if spread {
            (chance / by) as usize % names.len()
        } else {
            0
        }]
    };
    let carat = format!("{:.2}", 0.2 + (chance % 300) as f64 / 100.0);
    let price = (326 + chance % 18_000).to_string();
    let grades = (
        pick(Cut::NAMES, 7),
        pick(Color::NAMES, 41),
        pick(Clarity::NAMES, 293),
    );
    judge(&RawRow([
        &carat, grades.0, grades.1, grades.2, "61.8", "57", &price, "5.67", "5.71", "3.52",
    ]))
    .ok()
}

fn measure(index: &Neighbours, n: usize) -> (f64, f64) {
    let mut times: Vec<_> = (0..QUESTIONS)
        .filter_map(|question| {
            let carat = Carat::try_from(0.2 + f64::from(question % 311) / 100.0).ok()?;
            let started = Instant::now();
            black_box(index.nearest(carat, (Cut::Fair, Color::J, Clarity::I1), n));
            Some(started.elapsed().as_secs_f64() * 1e6)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
