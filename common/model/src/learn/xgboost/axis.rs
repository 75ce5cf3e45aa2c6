//! One parameter of the search space, and the search along it.

use rand::Rng;
use tpe::{TpeOptimizer, TpeOptimizerBuilder};

use super::space::SpaceError;

/// The share of the trials that count as good ones.
const GAMMA: f64 = 0.1;
/// How many values are weighed for each one that is tried. With more, the likeliest value wins in a whole batch, and its
/// trials are one trial many times: with 24 a search in batches of 8 is hardly better than chance.
const CANDIDATES: usize = 4;

/// What values a parameter may take.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// Positive numbers, by their logarithm; the end is not included.
    Log(f64, f64),
    /// Whole numbers, both ends included.
    Whole(u32, u32),
    /// One of these.
    OneOf(&'static [f64]),
}

/// A parameter with what was tried of it.
pub(super) struct Axis {
    scale: Scale,
    optimizer: TpeOptimizer,
}

impl Axis {
    pub(super) fn new(scale: Scale) -> Result<Self, SpaceError> {
        let (estimator, range) = match scale {
            Scale::Log(low, high) => (tpe::parzen_estimator(), tpe::range(low.ln(), high.ln())),
            Scale::Whole(low, high) => (
                tpe::parzen_estimator(),
                tpe::range(low.into(), f64::from(high) + 1.0),
            ),
            Scale::OneOf(values) => (tpe::histogram_estimator(), tpe::categorical_range(values.len())),
        };
        let mut builder = TpeOptimizerBuilder::new();
        let optimizer = builder
            .gamma(GAMMA)
            .candidates(CANDIDATES)
            .build(estimator, range?)?;
        Ok(Self { scale, optimizer })
    }

    /// A place on the axis that is worth a trial.
    pub(super) fn ask(&mut self, random: &mut impl Rng) -> f64 {
        match self.optimizer.ask(random) {
            Ok(place) => place,
            Err(never) => match never {},
        }
    }

    /// What a trial at `place` came to; lower is better.
    pub(super) fn tell(&mut self, place: f64, error: f64) -> Result<(), SpaceError> {
        Ok(self.optimizer.tell(place, error)?)
    }

    /// The parameter's value at `place`.
    pub(super) fn value(&self, place: f64) -> f64 {
        match self.scale {
            Scale::Log(..) => place.exp(),
            Scale::Whole(..) => place.floor(),
            Scale::OneOf(values) => values[place as usize],
        }
    }

    /// The place of `value`, or of the nearest that there is.
    pub(super) fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Log(..) => value.ln(),
            // The middle of the places that mean it.
            Scale::Whole(..) => value + 0.5,
            Scale::OneOf(values) => values.iter().position(|one| *one >= value).unwrap_or(0) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    fn asked(scale: Scale, seed: u64) -> Vec<(f64, f64)> {
        let mut axis = Axis::new(scale).unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut next = |news: usize| {
            let place = axis.ask(&mut random);
            axis.tell(place, news as f64).unwrap();
            (axis.value(place), axis.value(axis.place(axis.value(place))))
        };
        (0..40).map(&mut next).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_value_is_in_the_space_and_keeps_its_place(seed: u64) {
            for (value, again) in asked(Scale::Whole(3, 9), seed) {
                prop_assert!((3.0..=9.0).contains(&value) && value.fract() == 0.0 && value == again);
            }
            for (value, again) in asked(Scale::OneOf(&[0.3, 0.5, 0.7]), seed) {
                prop_assert!([0.3, 0.5, 0.7].contains(&value) && value == again);
            }
            for (value, again) in asked(Scale::Log(1e-8, 1.0), seed) {
                prop_assert!((0.99e-8..1.0).contains(&value) && (value / again - 1.0).abs() < 1e-12);
            }
        }
    }
}
