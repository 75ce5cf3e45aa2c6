//! The learner of boosted trees: XGBoost, with a search for its parameters.
//!
//! Trials fit on one side of the training samples and are compared by their mean absolute error on the other
//! (`sides`, at most half a million of them). They learn fast and are given up early (`pruning`); the few best run once more, learning slowly
//! (`finals`), and what won is fitted on every training sample. Nothing in here sees the holdout.
//!
//! The model depends on the samples, the seed and the number of trials alone: a batch of trials is asked for before any
//! of it is known (`hunt`), a trial runs wholly on one thread (`batch`), and the clock decides nothing. So the trials
//! of a search that was stopped tell how to make its model again.

mod axis;
mod batch;
mod boosting;
mod finals;
mod hunt;
mod learner;
mod parameters;
mod pruning;
mod sides;
mod space;
mod trial;
mod watch;

#[cfg(test)]
mod against_chance;

use std::num::NonZeroUsize;

use domain::Sample;

use super::{LearnError, target::Target};
pub(super) use hunt::BATCH;
use hunt::Hunt;
pub use learner::Settings;
pub(in crate::learn) use learner::learn;
pub use parameters::Parameters;
pub(super) use sides::MOST_SEARCHED;
use sides::Sides;
pub(super) use space::SpaceError;
pub use trial::Trial;
pub use watch::{Next, Watch};

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchSettings {
    /// How many trials to make.
    pub trials: NonZeroUsize,
    /// On how many threads; what is found does not depend on it.
    pub threads: NonZeroUsize,
    /// What random choices start from.
    pub seed: u64,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The model fitted on every training sample, in XGBoost's JSON.
    pub booster: Vec<u8>,
    /// What it was fitted with.
    pub parameters: Parameters,
    /// How many trees it has.
    pub rounds: u32,
    /// The mean absolute error of these parameters on the validation side, in dollars.
    pub validation_mae: f64,
    /// How many samples that side has.
    pub validation_samples: usize,
    /// Every trial that was made, in the order of their numbers.
    pub trials: Vec<Trial>,
}

/// Searches for the parameters with the least mean absolute error on the validation side of `training`, and fits them
/// on all of it. The same samples in the same order, seed and number of trials made give the same model, bit for bit.
///
/// # Errors
///
/// Where the samples are too few, too much alike or too absurd to learn from, or `watch` abandons the search.
pub fn search(
    training: &[Sample],
    settings: &SearchSettings,
    watch: &mut impl Watch,
) -> Result<Found, LearnError> {
    let sides = Sides::of(training)?;
    let target = Target::of(training);
    let mut hunt = Hunt::new(&sides, &target, settings)?;
    let validation_samples = sides.validation.len();
    // Each thread has them in XGBoost's form by now.
    drop(sides);
    while hunt.trials().len() < settings.trials.get() {
        hunt.next_batch(settings.trials.get(), watch)?;
        match watch.batch_finished(hunt.trials()) {
            Next::GoOn => {}
            Next::Finish => break,
            Next::Abandon => return Err(LearnError::Cancelled),
        }
    }
    let (trials, stands) = hunt.into_trials();
    let winner = finals::winner(&trials, stands, settings.seed, watch)?;
    Ok(Found {
        booster: finals::refit(training, &target, &winner, settings.seed, watch)?,
        parameters: winner.parameters,
        rounds: winner.course.rounds,
        validation_mae: winner.course.mae,
        validation_samples,
        trials,
    })
}
