//! What a model saw while it was trained.

use std::collections::BTreeSet;

#[cfg(any(test, feature = "learners"))]
use domain::Sample;
use domain::{Carat, Clarity, Color, Cut, Millimeters, PartialDiamond, Percent};
use serde::{Deserialize, Serialize};

use crate::features;

/// The smallest and the largest value of a quantity, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Range<Q> {
    pub(crate) low: Q,
    pub(crate) high: Q,
}

impl<Q: Copy + PartialOrd> Range<Q> {
    pub(crate) fn contains(&self, value: Q) -> bool {
        self.low <= value && value <= self.high
    }

    /// The range that just holds `values`; none where there are none.
    #[cfg(any(test, feature = "learners"))]
    pub(crate) fn over(mut values: impl Iterator<Item = Q>) -> Option<Self> {
        let first = values.next()?;
        let start = Self {
            low: first,
            high: first,
        };
        Some(values.fold(start, |range, value| Self {
            low: if value < range.low { value } else { range.low },
            high: if value > range.high { value } else { range.high },
        }))
    }
}

impl<Q: Copy + Into<f64> + TryFrom<f64>> Range<Q> {
    /// The low end, the middle and the high end.
    pub(crate) fn landmarks(&self) -> [Q; 3] {
        let (low, high) = (self.low.into(), self.high.into());
        let middle = Q::try_from(low + (high - low) / 2.0).unwrap_or(self.low);
        [self.low, middle, self.high]
    }
}

/// What the training samples were like: the ranges of their numbers and the grades among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainedOn {
    /// Weights, in carats.
    pub(crate) carat: Range<Carat>,
    pub(crate) cut: BTreeSet<Cut>,
    pub(crate) color: BTreeSet<Color>,
    pub(crate) clarity: BTreeSet<Clarity>,
    /// Total depths, in percent.
    pub(crate) depth: Range<Percent>,
    /// Tables, in percent.
    pub(crate) table: Range<Percent>,
    /// Lengths, in millimeters.
    pub(crate) x: Range<Millimeters>,
    /// Widths, in millimeters.
    pub(crate) y: Range<Millimeters>,
    /// Heights, in millimeters.
    pub(crate) z: Range<Millimeters>,
}

impl TrainedOn {
    /// What `samples` are like; none where there are none.
    #[cfg(any(test, feature = "learners"))]
    pub(crate) fn over(samples: &[Sample]) -> Option<Self> {
        let diamonds = || samples.iter().map(|sample| &sample.diamond);
        Some(Self {
            carat: Range::over(diamonds().map(|diamond| diamond.carat))?,
            cut: diamonds().map(|diamond| diamond.cut).collect(),
            color: diamonds().map(|diamond| diamond.color).collect(),
            clarity: diamonds().map(|diamond| diamond.clarity).collect(),
            depth: Range::over(diamonds().map(|diamond| diamond.depth))?,
            table: Range::over(diamonds().map(|diamond| diamond.table))?,
            x: Range::over(diamonds().map(|diamond| diamond.x))?,
            y: Range::over(diamonds().map(|diamond| diamond.y))?,
            z: Range::over(diamonds().map(|diamond| diamond.z))?,
        })
    }

    /// The names of the features in which `diamond` is unlike every training sample: a number
    /// outside their range, a grade that none of them has. A missing measure is not unusual.
    pub(crate) fn unusual(&self, diamond: &PartialDiamond) -> Vec<&'static str> {
        let usual = [
            self.carat.contains(diamond.carat),
            self.cut.contains(&diamond.cut),
            self.color.contains(&diamond.color),
            self.clarity.contains(&diamond.clarity),
            diamond.depth.is_none_or(|depth| self.depth.contains(depth)),
            diamond.table.is_none_or(|table| self.table.contains(table)),
            diamond.x.is_none_or(|x| self.x.contains(x)),
            diamond.y.is_none_or(|y| self.y.contains(y)),
            diamond.z.is_none_or(|z| self.z.contains(z)),
        ];
        let unusual = features::NAMES.into_iter().zip(usual).filter(|(_, usual)| !usual);
        unusual.map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    fn carats(values: &[f64]) -> Vec<Carat> {
        values
            .iter()
            .map(|value| Carat::try_from(*value).unwrap())
            .collect()
    }

    #[test]
    fn a_range_over_nothing_is_none() {
        assert_eq!(Range::<Carat>::over(std::iter::empty()), None);
    }

    #[test]
    fn what_training_saw_is_not_unusual() {
        let samples = fixture::samples(300);
        let trained_on = TrainedOn::over(&samples).unwrap();
        for sample in &samples {
            assert!(trained_on.unusual(&sample.diamond.into()).is_empty());
        }
        assert_eq!(TrainedOn::over(&[]), None);
    }

    #[test]
    fn every_feature_that_training_never_saw_is_named() {
        let trained_on = TrainedOn::over(&fixture::samples(1)).unwrap();
        let percent = |value| Some(Percent::try_from(value).unwrap());
        let strange = PartialDiamond {
            carat: fixture::carat(9.0),
            cut: Cut::Ideal,
            color: Color::D,
            clarity: Clarity::IF,
            depth: percent(1.0),
            table: percent(99.0),
            x: Some(fixture::millimeters(0.1)),
            y: Some(fixture::millimeters(58.9)),
            z: Some(fixture::millimeters(31.8)),
        };
        assert_eq!(trained_on.unusual(&strange), features::NAMES);
    }

    proptest! {
        #[test]
        fn a_range_holds_what_it_was_made_over(values in proptest::collection::vec(1e-9..1e308, 1..20)) {
            let values = carats(&values);
            let range = Range::over(values.iter().copied()).unwrap();
            prop_assert!(values.iter().all(|value| range.contains(*value)));
            prop_assert!(range.landmarks().iter().all(|value| range.contains(*value)));
            prop_assert!(values.contains(&range.low) && values.contains(&range.high));
        }
    }
}
