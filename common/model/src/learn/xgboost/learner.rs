//! The search as one of the learners.

use std::{num::NonZeroUsize, time::Duration};

use domain::{
    Sample,
    metrics::Validation,
    run::{self, Progress},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Found, Next, SearchSettings, Trial, Watch, search};
use crate::{
    Trained,
    learn::{self, Fitted, LearnError, Resources},
};

/// What can be set about the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How many sets of parameters are tried.
    pub trials: u32,
}

/// Searches, and tells `watch` about it.
pub(in crate::learn) fn learn(
    training: &[Sample],
    settings: &Settings,
    seed: u64,
    resources: &Resources,
    watch: &dyn learn::Watch,
) -> Result<Fitted, LearnError> {
    let at_least_one = |number: usize| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
    let search_settings = SearchSettings {
        trials: at_least_one(settings.trials as usize),
        threads: at_least_one(resources.threads),
        seed,
    };
    let mut onlooker = Onlooker {
        watch,
        told: 0,
        total: settings.trials,
    };
    let found = search(training, &search_settings, &mut onlooker)?;
    fitted(found, training)
}

fn fitted(found: Found, training: &[Sample]) -> Result<Fitted, LearnError> {
    let mut parameters = json!(found.parameters);
    parameters["rounds"] = json!(found.rounds);
    let trained = Trained::trees(&found.booster, training);
    Ok(Fitted {
        trained: trained.map_err(|error| LearnError::Solver(Box::new(error)))?,
        parameters,
        trials: found.trials.iter().map(told).collect(),
        validation: Some(Validation {
            mae: found.validation_mae,
            n: found.validation_samples as u64,
        }),
    })
}

/// Counts trials from 1, as everything that people see does.
fn told(trial: &Trial) -> run::Trial {
    run::Trial {
        number: trial.number as u32 + 1,
        parameters: json!(trial.parameters),
        mae: if trial.mae.is_finite() {
            trial.mae
        } else {
            f64::MAX
        },
        rounds: trial.rounds,
        pruned: trial.pruned,
        duration_ms: trial.duration_ms as f64,
    }
}

/// Passes the search's news on, each trial once.
struct Onlooker<'a> {
    watch: &'a dyn learn::Watch,
    told: usize,
    total: u32,
}

impl Watch for Onlooker<'_> {
    fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    fn is_cancelled(&self) -> bool {
        self.watch.is_cancelled()
    }

    fn batch_finished(&mut self, trials: &[Trial]) -> Next {
        let ended: Vec<run::Trial> = trials[self.told..].iter().map(told).collect();
        self.told = trials.len();
        let completed = trials
            .iter()
            .filter(|trial| !trial.pruned && trial.mae.is_finite());
        let progress = Progress {
            done: trials.len() as u32,
            total: self.total,
            best_mae: completed.map(|trial| trial.mae).min_by(f64::total_cmp),
        };
        self.watch.trials_ended(progress, &ended);
        if self.watch.is_cancelled() {
            Next::Abandon
        } else if self.watch.is_time_over() {
            Next::Finish
        } else {
            Next::GoOn
        }
    }
}
