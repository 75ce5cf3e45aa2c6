//! Test: the search beats random search that costs as much.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{Parameters, SearchSettings, Trial, Watch, hunt::Hunt, pruning::Bar, sides::Sides, trial::Stand};
use crate::{fixture, learn::target::Target};

struct Timeless;

impl Watch for Timeless {
    fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    fn batch_finished(&mut self, _trials: &[Trial]) -> super::Next {
        super::Next::GoOn
    }
}

fn any(random: &mut StdRng) -> Parameters {
    let mut log = |low: f64, high: f64| random.random_range(low.ln()..high.ln()).exp();
    let (lambda, alpha, learning_rate) = (log(1e-8, 1.0), log(1e-8, 1.0), log(0.06, 0.3));
    Parameters {
        lambda,
        alpha,
        learning_rate,
        colsample_bytree: [0.3, 0.4, 0.5, 0.7][random.random_range(0..4)],
        subsample: f64::from(random.random_range(5..=10)) / 10.0,
        max_depth: random.random_range(3..=9),
        min_child_weight: random.random_range(1..=10),
    }
}

/// What a trial costs: the splits that its trees may have.
fn cost(parameters: &Parameters, grown: u32) -> f64 {
    f64::from(grown) * f64::from(1 << parameters.max_depth)
}

/// The least error of the search, and its cost.
fn searched(sides: &Sides, seed: u64) -> (f64, f64) {
    let one = std::num::NonZeroUsize::MIN;
    let settings = SearchSettings {
        trials: one,
        threads: one,
        seed,
    };
    let mut hunt = Hunt::new(sides, &Target::of(&sides.fitting), &settings).unwrap();
    for wanted in [8, 16, 24, 32, 40, 48] {
        hunt.next_batch(wanted, &Timeless).unwrap();
    }
    let trials = hunt.trials();
    let least = trials.iter().map(|trial| trial.mae).fold(f64::INFINITY, f64::min);
    (
        least,
        trials
            .iter()
            .map(|trial| cost(&trial.parameters, trial.grown))
            .sum(),
    )
}

/// The least error of trials at random, as many as begin before they have cost as much.
fn drawn(sides: &Sides, seed: u64, budget: f64) -> f64 {
    let (stand, mut random) = (
        Stand::new(sides, &Target::of(&sides.fitting)).unwrap(),
        StdRng::seed_from_u64(seed),
    );
    let (mut least, mut spent) = (f64::INFINITY, 0.0);
    while spent < budget {
        let parameters = any(&mut random);
        let course = stand.run(&parameters, seed, &Bar::NONE, &Timeless).unwrap();
        spent += cost(&parameters, course.grown);
        least = least.min(course.mae);
    }
    least
}

#[test]
fn the_search_beats_random_search_at_equal_cost() {
    let sides = Sides::of(&fixture::samples(1_000)).unwrap();
    let (mut search, mut chance) = (0.0, 0.0);
    for seed in 0..6 {
        let (least, budget) = searched(&sides, seed);
        search += least / 6.0;
        chance += drawn(&sides, seed, budget) / 6.0;
    }
    eprintln!("{search:.2} by search, {chance:.2} at random");
    assert!(search < chance, "{search} dollars by search, {chance} at random");
}
