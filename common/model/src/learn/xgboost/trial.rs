//! One trial: parameters fitted on the fitting side and judged on the validation side.

use serde::{Deserialize, Serialize};

use super::{
    Parameters, Watch,
    boosting::{Boosting, Table},
    pruning::{self, Bar, Marks},
    sides::Sides,
};
use crate::learn::{LearnError, target::Target};

/// The most trees of a trial.
pub(super) const MAX_ROUNDS: u32 = 1_000;
/// A trial ends when this much learning rate, summed over its rounds, has brought nothing.
const PATIENCE: f64 = 2.0;

/// Parameters, and what came of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its place in the search, from 0.
    pub number: usize,
    /// What was tried.
    pub parameters: Parameters,
    /// The least mean absolute error on the validation side, in dollars; what it had come to where it was pruned.
    pub mae: f64,
    /// The number of trees at which it was least.
    pub rounds: u32,
    /// The number of trees that were grown.
    pub grown: u32,
    /// Whether it was given up early, for others were better after as much learning.
    pub pruned: bool,
    /// What it took, in milliseconds.
    pub duration_ms: u64,
}

/// What one thread tries things on.
pub(super) struct Stand {
    fitting: Table,
    validation: Table,
}

/// How good a model became, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    pub(super) mae: f64,
    pub(super) rounds: u32,
    pub(super) grown: u32,
    pub(super) pruned: bool,
    pub(super) marks: Marks,
}

impl Stand {
    pub(super) fn new(sides: &Sides, target: &Target) -> Result<Self, LearnError> {
        Ok(Self {
            fitting: Table::of(&sides.fitting, target)?,
            validation: Table::of(&sides.validation, target)?,
        })
    }

    /// Adds trees until they bring nothing any more, or `bar` says that others are better.
    pub(super) fn run(
        &self,
        parameters: &Parameters,
        seed: u64,
        bar: &Bar,
        watch: &impl Watch,
    ) -> Result<Course, LearnError> {
        let mut model = Boosting::new(&self.fitting, &[&self.validation], parameters, seed)?;
        let mut course = Course {
            mae: f64::INFINITY,
            rounds: 0,
            grown: 0,
            pruned: false,
            marks: pruning::NO_MARKS,
        };
        while course.goes_on(parameters.learning_rate) {
            if watch.is_cancelled() {
                return Err(LearnError::Cancelled);
            }
            model.grow()?;
            course.note(model.mae(&self.validation)?);
            course.judge(parameters.learning_rate, bar);
        }
        Ok(course)
    }
}

impl Course {
    fn goes_on(&self, learning_rate: f64) -> bool {
        let idle = f64::from(self.grown - self.rounds) * learning_rate;
        !self.pruned && self.grown < MAX_ROUNDS && idle < PATIENCE
    }

    fn note(&mut self, mae: f64) {
        self.grown += 1;
        if mae < self.mae {
            (self.mae, self.rounds) = (mae, self.grown);
        }
    }

    fn judge(&mut self, learning_rate: f64, bar: &Bar) {
        let Some(rung) = pruning::rung(self.grown, learning_rate) else {
            return;
        };
        self.marks[rung] = self.mae;
        self.pruned = bar.is_missed(rung, self.mae);
    }
}
