//! The trials, batch after batch.

use std::time::Duration;

use super::{
    Parameters, SearchSettings, Trial, Watch, batch,
    pruning::{Bar, Marks},
    sides::Sides,
    space::{Point, Space},
    trial::{Course, Stand},
};
use crate::learn::{LearnError, target::Target};

/// How many trials are asked for at once, whatever the number of threads.
pub(in crate::learn) const BATCH: usize = 8;

/// A search under way.
pub(super) struct Hunt {
    seed: u64,
    stands: Vec<Stand>,
    space: Space,
    trials: Vec<Trial>,
    /// How each trial did on its way.
    marks: Vec<Marks>,
}

/// Parameters that are to be tried.
struct Plan {
    point: Point,
    parameters: Parameters,
}

/// What came of a plan, and what time it took.
type Outcome = (Course, Duration);

impl Hunt {
    pub(super) fn new(sides: &Sides, target: &Target, settings: &SearchSettings) -> Result<Self, LearnError> {
        let threads = settings.threads.get().min(BATCH);
        let stands = (0..threads).map(|_| Stand::new(sides, target));
        Ok(Self {
            seed: settings.seed,
            stands: stands.collect::<Result<_, _>>()?,
            space: Space::new(settings.seed)?,
            trials: Vec::new(),
            marks: Vec::new(),
        })
    }

    pub(super) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The trials, and where more can be made.
    pub(super) fn into_trials(self) -> (Vec<Trial>, Vec<Stand>) {
        (self.trials, self.stands)
    }

    /// Makes the next batch of trials, of which there are to be `wanted` in all.
    pub(super) fn next_batch(&mut self, wanted: usize, watch: &impl Watch) -> Result<(), LearnError> {
        let missing = wanted.saturating_sub(self.trials.len());
        let plans: Vec<Plan> = (0..BATCH.min(missing)).map(|_| self.plan()).collect();
        let (seed, bar) = (self.seed, Bar::of(&self.marks));
        let outcomes = batch::run(&plans, &mut self.stands, |plan, stand| {
            let started = watch.elapsed();
            let course = stand.run(&plan.parameters, seed, &bar, watch)?;
            Ok::<Outcome, LearnError>((course, watch.elapsed().saturating_sub(started)))
        });
        let mut outcomes = plans.iter().zip(outcomes);
        outcomes.try_for_each(|(plan, outcome)| self.learn(plan, &outcome?))
    }

    fn plan(&mut self) -> Plan {
        let point = self.space.ask();
        let parameters = self.space.parameters(&point);
        Plan { point, parameters }
    }

    fn learn(&mut self, plan: &Plan, (course, duration): &Outcome) -> Result<(), LearnError> {
        self.space.tell(&plan.point, course.mae)?;
        self.marks.push(course.marks);
        self.trials.push(Trial {
            number: self.trials.len(),
            parameters: plan.parameters,
            mae: course.mae,
            rounds: course.rounds,
            grown: course.grown,
            pruned: course.pruned,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(())
    }
}
