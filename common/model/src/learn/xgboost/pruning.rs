//! Giving up on trials that others have left behind.
//!
//! Trials are compared after as much learning: rounds times learning rate. At each rung of that ladder a trial must
//! be among the better ones of the finished batches; its own batch has no say, so the order in which a batch is
//! worked off does not matter.

/// Rounds times learning rate.
const RUNGS: [f64; 5] = [2.0, 3.0, 4.5, 6.5, 9.0];
/// A trial must be within this share of the finished trials at a rung, counted from the best.
const QUANTILE: f64 = 0.2;
/// With fewer finished trials at a rung nobody is given up there.
const MIN_TRIALS: usize = 6;

/// The errors of a trial at the rungs that it reached, in dollars; NaN beyond.
pub(super) type Marks = [f64; RUNGS.len()];

pub(super) const NO_MARKS: Marks = [f64::NAN; RUNGS.len()];

/// The rung that is reached with round `grown`, if one is.
pub(super) fn rung(grown: u32, learning_rate: f64) -> Option<usize> {
    let reached = |rounds: u32| {
        RUNGS
            .iter()
            .filter(|rung| f64::from(rounds) * learning_rate >= **rung)
            .count()
    };
    let (before, now) = (reached(grown - 1), reached(grown));
    (now > before).then(|| now - 1)
}

/// What a trial must have reached at each rung, in dollars.
pub(super) struct Bar([f64; RUNGS.len()]);

impl Bar {
    /// Nobody misses it.
    pub(super) const NONE: Self = Self([f64::INFINITY; RUNGS.len()]);

    /// The bar that the finished trials set.
    pub(super) fn of(finished: &[Marks]) -> Self {
        Self(std::array::from_fn(|rung| {
            let mut marks: Vec<f64> = finished
                .iter()
                .map(|marks| marks[rung])
                .filter(|mark| !mark.is_nan())
                .collect();
            marks.sort_by(f64::total_cmp);
            let place = (marks.len() as f64 * QUANTILE) as usize;
            if marks.len() < MIN_TRIALS {
                f64::INFINITY
            } else {
                marks[place]
            }
        }))
    }

    pub(super) fn is_missed(&self, rung: usize, mae: f64) -> bool {
        mae > self.0[rung]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten trials, of which the one at place n had come to n dollars at every rung.
    fn finished() -> Vec<Marks> {
        (0..10).map(|dollars| [f64::from(dollars); RUNGS.len()]).collect()
    }

    #[test]
    fn rungs_are_reached_once_each_and_after_as_much_learning() {
        for learning_rate in [0.02, 0.06, 0.1, 0.3] {
            let reached: Vec<(usize, f64)> = (1..1_000)
                .filter_map(|grown| Some((rung(grown, learning_rate)?, f64::from(grown) * learning_rate)))
                .collect();
            let order: Vec<usize> = reached.iter().map(|(rung, _)| *rung).collect();
            assert_eq!(order, (0..RUNGS.len()).collect::<Vec<_>>());
            for (rung, learned) in reached {
                assert!(
                    (RUNGS[rung]..RUNGS[rung] + learning_rate).contains(&learned),
                    "{learned} at {rung}"
                );
            }
        }
    }

    #[test]
    fn a_trial_behind_the_best_share_misses_the_bar() {
        let bar = Bar::of(&finished());
        assert!(!bar.is_missed(0, 2.0));
        assert!(bar.is_missed(0, 2.1));
    }

    #[test]
    fn the_order_of_the_finished_trials_does_not_matter() {
        let mut backwards = finished();
        backwards.reverse();
        assert_eq!(Bar::of(&finished()).0, Bar::of(&backwards).0);
    }

    #[test]
    fn nobody_is_given_up_where_few_have_been() {
        let few = &finished()[..MIN_TRIALS - 1];
        assert!(!Bar::of(few).is_missed(0, 1e9));
        let mut given_up_early = finished();
        for marks in &mut given_up_early {
            marks[3] = f64::NAN;
        }
        assert!(!Bar::of(&given_up_early).is_missed(3, 1e9));
        assert!(Bar::of(&given_up_early).is_missed(2, 1e9));
    }
}
