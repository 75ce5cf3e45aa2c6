//! What a model saw while it was trained.

use domain::{Carat, Millimeters};
use serde::{Deserialize, Serialize};

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

/// The ranges of the training samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainedOn {
    /// Weights, in carats.
    pub(crate) carat: Range<Carat>,
    /// Lengths, in millimeters.
    pub(crate) x: Range<Millimeters>,
}

#[cfg(test)]
mod tests {
    use super::*;
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
