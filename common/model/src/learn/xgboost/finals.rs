//! From the best trials to the model.

use domain::Sample;

use super::{
    Parameters, Trial, Watch, batch,
    boosting::{Boosting, Table},
    pruning::Bar,
    trial::{Course, Stand},
};
use crate::learn::{LearnError, target::Target};

/// How many of the best trials run once more.
const FINALISTS: usize = 4;
/// How much slower they learn then. More and smaller steps err less; trials take larger ones to be short.
const SLOWER: f64 = 3.0;

/// What won, and how it did on the validation side.
pub(super) struct Winner {
    pub(super) parameters: Parameters,
    pub(super) course: Course,
}

/// Lets the best of `trials` learn slowly, and takes the best of these.
pub(super) fn winner(
    trials: &[Trial],
    mut stands: Vec<Stand>,
    seed: u64,
    watch: &impl Watch,
) -> Result<Winner, LearnError> {
    let finalists = finalists(trials);
    let courses = batch::run(&finalists, &mut stands, |parameters, stand| {
        stand.run(parameters, seed, &Bar::NONE, watch)
    });
    let mut winner: Option<Winner> = None;
    for (parameters, course) in finalists.into_iter().zip(courses) {
        let course = course?;
        if winner
            .as_ref()
            .is_none_or(|winner| course.mae < winner.course.mae)
        {
            winner = Some(Winner { parameters, course });
        }
    }
    winner
        .filter(|winner| winner.course.mae.is_finite())
        .ok_or(LearnError::NoFiniteError)
}

fn finalists(trials: &[Trial]) -> Vec<Parameters> {
    let mut ranked: Vec<&Trial> = trials.iter().collect();
    ranked.sort_by(|a, b| a.mae.total_cmp(&b.mae));
    ranked
        .into_iter()
        .take(FINALISTS)
        .map(|trial| slower(trial.parameters))
        .collect()
}

fn slower(parameters: Parameters) -> Parameters {
    Parameters {
        learning_rate: parameters.learning_rate / SLOWER,
        ..parameters
    }
}

/// Fits what won on all of `training`, with as many trees as were best on the validation side.
pub(super) fn refit(
    training: &[Sample],
    target: &Target,
    winner: &Winner,
    seed: u64,
    watch: &impl Watch,
) -> Result<Vec<u8>, LearnError> {
    let table = Table::of(training, target)?;
    let mut model = Boosting::new(&table, &[], &winner.parameters, seed)?;
    for _ in 0..winner.course.rounds {
        if watch.is_cancelled() {
            return Err(LearnError::Cancelled);
        }
        model.grow()?;
    }
    Ok(model.to_json()?)
}
