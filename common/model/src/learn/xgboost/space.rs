//! The search space, and the search in it: a tree-structured Parzen estimator per parameter.
//!
//! Values are asked for and errors are told in batches: while a batch is asked for, nothing of it is known, so what
//! is tried depends on the seed and on the finished batches alone.

use rand::{SeedableRng, rngs::StdRng};

use super::{
    Parameters,
    axis::{Axis, Scale},
};

/// Why the search broke down: a number that it cannot take.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpaceError {
    #[error("a range of the search space is empty")]
    Range(#[from] tpe::range::RangeError),
    #[error("a search along a parameter cannot be set up")]
    Build(#[from] tpe::BuildError),
    #[error("a trial cannot be told")]
    Tell(#[from] tpe::TellError),
}

const AXES: usize = 7;

/// A place on each axis.
pub(super) type Point = [f64; AXES];

/// What is tried first, so that even a short search finds something sensible.
const START: Parameters = Parameters {
    lambda: 1e-3,
    alpha: 1e-3,
    colsample_bytree: 0.7,
    subsample: 0.7,
    learning_rate: 0.1,
    max_depth: 6,
    min_child_weight: 5,
};

/// The space, with what was tried in it.
pub(super) struct Space {
    axes: [Axis; AXES],
    random: StdRng,
    asked: usize,
}

impl Space {
    pub(super) fn new(seed: u64) -> Result<Self, SpaceError> {
        let penalty = Scale::Log(1e-8, 1.0);
        Ok(Self {
            axes: [
                Axis::new(penalty)?,
                Axis::new(penalty)?,
                Axis::new(Scale::OneOf(&[0.3, 0.4, 0.5, 0.7]))?,
                Axis::new(Scale::OneOf(&[0.5, 0.6, 0.7, 0.8, 0.9, 1.0]))?,
                Axis::new(Scale::Log(0.06, 0.3))?,
                Axis::new(Scale::Whole(3, 9))?,
                Axis::new(Scale::Whole(1, 10))?,
            ],
            random: StdRng::seed_from_u64(seed),
            asked: 0,
        })
    }

    /// A point that is worth a trial.
    pub(super) fn ask(&mut self) -> Point {
        self.asked += 1;
        if self.asked == 1 {
            return self.point(&START);
        }
        let random = &mut self.random;
        self.axes.each_mut().map(|axis| axis.ask(random))
    }

    /// What a trial at `point` came to, in dollars.
    pub(super) fn tell(&mut self, point: &Point, error: f64) -> Result<(), SpaceError> {
        let mut places = self.axes.iter_mut().zip(point);
        places.try_for_each(|(axis, place)| axis.tell(*place, error))
    }

    /// The parameters at `point`.
    pub(super) fn parameters(&self, point: &Point) -> Parameters {
        let value = |axis: usize| self.axes[axis].value(point[axis]);
        Parameters {
            lambda: value(0),
            alpha: value(1),
            colsample_bytree: value(2),
            subsample: value(3),
            learning_rate: value(4),
            max_depth: value(5) as u32,
            min_child_weight: value(6) as u32,
        }
    }

    /// The point of `parameters`.
    fn point(&self, parameters: &Parameters) -> Point {
        let values = [
            parameters.lambda,
            parameters.alpha,
            parameters.colsample_bytree,
            parameters.subsample,
            parameters.learning_rate,
            parameters.max_depth.into(),
            parameters.min_child_weight.into(),
        ];
        std::array::from_fn(|axis| self.axes[axis].place(values[axis]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something to minimize that is worst far from one point, and in which only some parameters matter, as in life.
    fn error(parameters: &Parameters) -> f64 {
        let rate = (parameters.learning_rate / 0.08).ln();
        let depth = f64::from(parameters.max_depth) - 5.0;
        let subsample = parameters.subsample - 0.7;
        let colsample = parameters.colsample_bytree - 0.7;
        let leaf = f64::from(parameters.min_child_weight) - 4.0;
        30.0 * rate * rate
            + 4.0 * depth * depth
            + 200.0 * subsample * subsample
            + 300.0 * colsample * colsample
            + leaf * leaf
            + parameters.lambda
    }

    /// The least error of 96 trials in batches of 8, after which the space was told or not.
    fn least(seed: u64, tells: bool) -> f64 {
        let mut space = Space::new(seed).unwrap();
        let mut least = f64::INFINITY;
        space.ask();
        for _ in 0..12 {
            let points: Vec<Point> = (0..8).map(|_| space.ask()).collect();
            for point in &points {
                let error = error(&space.parameters(point));
                least = least.min(error);
                if tells {
                    space.tell(point, error).unwrap();
                }
            }
        }
        least
    }

    #[test]
    fn what_was_told_makes_the_search_better_than_chance() {
        let mean = |tells| (0..20).map(|seed| least(seed, tells)).sum::<f64>() / 20.0;
        let (told, chance) = (mean(true), mean(false));
        assert!(told < 0.6 * chance, "{told} after telling, {chance} by chance");
    }

    #[test]
    fn the_same_seed_and_news_ask_for_the_same_points() {
        let asked = |seed| {
            let mut space = Space::new(seed).unwrap();
            let points: Vec<Point> = (0..8).map(|_| space.ask()).collect();
            for (place, point) in points.iter().enumerate() {
                space.tell(point, place as f64).unwrap();
            }
            (points, space.ask())
        };
        assert_eq!(asked(7), asked(7));
        assert_ne!(asked(7), asked(8));
    }

    #[test]
    fn the_start_is_tried_first_and_is_in_the_space() {
        let mut space = Space::new(1).unwrap();
        let first = space.ask();
        let found = space.parameters(&first);
        assert_eq!(
            (found.max_depth, found.min_child_weight),
            (START.max_depth, START.min_child_weight)
        );
        assert_eq!(
            (found.subsample, found.colsample_bytree),
            (START.subsample, START.colsample_bytree)
        );
        assert!((found.learning_rate / START.learning_rate - 1.0).abs() < 1e-12);
        space.tell(&first, 1.0).unwrap();
    }

    /// Two penalties share one range; each must learn from its own values.
    #[test]
    fn parameters_of_one_range_are_told_apart() {
        let mut space = Space::new(3).unwrap();
        for _ in 0..60 {
            let point = space.ask();
            let parameters = space.parameters(&point);
            space
                .tell(&point, parameters.lambda.ln() - parameters.alpha.ln())
                .unwrap();
        }
        let asked: Vec<Parameters> = (0..20)
            .map(|_| {
                let point = space.ask();
                space.parameters(&point)
            })
            .collect();
        let mean_log = |of: fn(&Parameters) -> f64| asked.iter().map(|one| of(one).ln()).sum::<f64>() / 20.0;
        let (lambda, alpha) = (mean_log(|one| one.lambda), mean_log(|one| one.alpha));
        assert!(lambda + 5.0 < alpha, "lambda e^{lambda}, alpha e^{alpha}");
    }
}
