//! The search for boosted trees, from outside.

use std::{env, fs, num::NonZeroUsize, process::Command, time::Duration};

use domain::Sample;
use model::learn::{
    LearnError,
    xgboost::{Found, Next, SearchSettings, Trial, Watch, search},
};

use crate::{notebook::Notebook, stones};

/// Lets a search go on for a number of batches, and keeps no time.
struct Batches(usize, Next);

impl Watch for Batches {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn batch_finished(&mut self, _trials: &[Trial]) -> Next {
        self.0 -= 1;
        if self.0 == 0 { self.1 } else { Next::GoOn }
    }
}

const LOOKS: usize = 20;

/// Is cancelled after [`LOOKS`] looks.
struct Impatient(std::sync::atomic::AtomicUsize);

impl Watch for Impatient {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn is_cancelled(&self) -> bool {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= LOOKS
    }

    fn batch_finished(&mut self, _trials: &[Trial]) -> Next {
        Next::GoOn
    }
}

/// W10: a tree on very many samples takes seconds, a fit of all of them an hour: a search ends at the next tree.
#[test]
fn a_search_that_is_cancelled_ends_at_the_next_tree() {
    let mut impatient = Impatient(0.into());
    let ended = search(&stones::samples(300), &settings(8, 1), &mut impatient);
    assert!(matches!(ended, Err(LearnError::Cancelled)), "{ended:?}");
    // Each of the batch's other trials looks once more.
    assert!(impatient.0.into_inner() <= LOOKS + 8);
}

const FOR_EVER: Batches = Batches(usize::MAX, Next::GoOn);

fn settings(trials: usize, threads: usize) -> SearchSettings {
    SearchSettings {
        trials: NonZeroUsize::new(trials).unwrap(),
        threads: NonZeroUsize::new(threads).unwrap(),
        seed: 42,
    }
}

fn found(samples: &[Sample], trials: usize, threads: usize) -> Found {
    search(samples, &settings(trials, threads), &mut { FOR_EVER }).unwrap()
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let samples = stones::samples(600);
    let alone = found(&samples, 30, 1);
    assert_eq!(found(&samples, 30, 2), alone);
    assert_eq!(found(&samples, 30, 3), alone);
    assert!(
        alone.trials.iter().any(|trial| trial.pruned),
        "nothing was pruned, so pruning was not tested"
    );
}

#[test]
fn another_seed_finds_another_model() {
    let samples = stones::samples(300);
    let other = SearchSettings {
        seed: 43,
        ..settings(10, 2)
    };
    let other = search(&samples, &other, &mut { FOR_EVER }).unwrap();
    assert_ne!(other.booster, found(&samples, 10, 2).booster);
}

/// Where [`writes_what_it_found`] is told to write.
const FOUND_FILE: &str = "LAPIDARY_TEST_FOUND_FILE";

#[test]
fn another_process_finds_the_same_model() {
    let file = env::temp_dir().join(format!("lapidary-search-{}.json", std::process::id()));
    let other = Command::new(env::current_exe().unwrap())
        .args(["--exact", "search::writes_what_it_found", "--ignored"])
        .env(FOUND_FILE, &file)
        .output()
        .unwrap();
    assert!(
        other.status.success(),
        "{}",
        String::from_utf8_lossy(&other.stdout)
    );
    let written = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(written == format!("{:?}", found(&stones::samples(600), 20, 2)));
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn writes_what_it_found() {
    let Some(file) = env::var_os(FOUND_FILE) else {
        return;
    };
    fs::write(file, format!("{:?}", found(&stones::samples(600), 20, 1))).unwrap();
}

#[test]
fn a_stopped_search_is_made_again_from_its_number_of_trials() {
    let samples = stones::samples(400);
    let stopped = search(&samples, &settings(100, 2), &mut Batches(2, Next::Finish)).unwrap();
    let trials = stopped.trials.len();
    assert!((2..100).contains(&trials), "{trials} trials");
    assert_eq!(found(&samples, trials, 1), stopped);
}

#[test]
fn the_trials_of_a_shorter_search_are_the_first_ones_of_a_longer() {
    let samples = stones::samples(300);
    let (short, long) = (found(&samples, 10, 2), found(&samples, 24, 2));
    assert_eq!(short.trials, long.trials[..10]);
}

#[test]
fn an_abandoned_search_makes_no_model() {
    let abandoned = search(
        &stones::samples(300),
        &settings(100, 2),
        &mut Batches(1, Next::Abandon),
    );
    assert!(matches!(abandoned, Err(LearnError::Cancelled)));
}

#[test]
fn few_samples_make_a_model_too() {
    for count in [30, 50, 100] {
        let found = found(&stones::samples(count), 9, 2);
        assert!(
            found.validation_mae.is_finite() && found.rounds > 0,
            "{count}: {found:?}"
        );
    }
}

#[test]
fn too_few_samples_are_told_to_the_data_scientist() {
    let error = search(&stones::samples(1), &settings(5, 1), &mut { FOR_EVER }).unwrap_err();
    assert!(error.to_string().contains("add other diamonds"), "{error}");
}

/// Optuna's 100 trials give test errors of 335.8 to 340.6 dollars on these lines.
#[test]
fn the_notebook_is_not_better() {
    let Some(notebook) = Notebook::read() else { return };
    let found = found(&notebook.training(), 100, 2);
    let error = mae(&found.booster, &notebook.test());
    assert!(error < 345.0, "{error} dollars");
}

/// By XGBoost itself.
fn mae(booster: &[u8], samples: &[Sample]) -> f64 {
    let rows: Vec<f32> = samples.iter().flat_map(row).collect();
    let table = xgboost_rs::DMatrix::from_col_major_f32(&rows, 36, 4, samples.len(), 9, 1, f32::NAN).unwrap();
    let predicted = xgboost_rs::Booster::load_buffer(booster)
        .unwrap()
        .predict(&table)
        .unwrap();
    let errors = predicted
        .iter()
        .zip(samples)
        .map(|(one, sample)| (f64::from(*one) - sample.price.get()).abs());
    errors.sum::<f64>() / samples.len() as f64
}

fn row(sample: &Sample) -> [f32; 9] {
    let diamond = &sample.diamond;
    [
        diamond.carat.get() as f32,
        diamond.cut.rank() as f32,
        diamond.color.rank() as f32,
        diamond.clarity.rank() as f32,
        diamond.depth.get() as f32,
        diamond.table.get() as f32,
        diamond.x.get() as f32,
        diamond.y.get() as f32,
        diamond.z.get() as f32,
    ]
}
