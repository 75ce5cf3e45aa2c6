//! Training samples and holdout.

use domain::{DiamondHash, HoldoutHalf, Sample, Side};

/// Samples by side, each in the order they came in. They are put here as they are read, so that nobody holds them twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Split {
    /// What models learn from.
    pub training: Vec<Sample>,
    /// What no model ever trains on.
    pub holdout: Vec<Sample>,
}

/// What the holdout's halves are for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Halves {
    /// Ranges are calibrated on these, and the gate compares models on them.
    pub calibration: Vec<Sample>,
    /// The coverage of ranges is checked on these, and nothing else is decided by them.
    pub checking: Vec<Sample>,
}

impl Extend<Sample> for Split {
    /// Puts each sample on the side that its diamond's hash decides, whatever its price.
    fn extend<T: IntoIterator<Item = Sample>>(&mut self, samples: T) {
        for sample in samples {
            match DiamondHash::of(&sample.diamond).side() {
                Side::Training => self.training.push(sample),
                Side::Holdout => self.holdout.push(sample),
            }
        }
    }
}

impl Split {
    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.training.len() + self.holdout.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The halves of the holdout, each in the order its samples came in.
    #[must_use]
    pub fn halves(&self) -> Halves {
        let calibrates =
            |sample: &Sample| DiamondHash::of(&sample.diamond).holdout_half() == HoldoutHalf::Calibration;
        let (calibration, checking) = self.holdout.iter().copied().partition(calibrates);
        Halves {
            calibration,
            checking,
        }
    }
}

/// Puts each sample on the side that its diamond's hash decides, whatever its price.
#[must_use]
pub fn split(samples: &[Sample]) -> Split {
    let mut split = Split::default();
    split.extend(samples.iter().copied());
    split
}

/// Whether the gate compares models on this sample.
#[must_use]
pub fn is_judged_on(sample: &Sample) -> bool {
    let hash = DiamondHash::of(&sample.diamond);
    hash.side() == Side::Holdout && hash.holdout_half() == HoldoutHalf::Calibration
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use domain::Price;
    use proptest::prelude::*;

    /// A few stones, each sold more than once.
    fn sales() -> impl Strategy<Value = Vec<Sample>> {
        let sale = (0_usize..30, 1.0..20_000.0).prop_map(|(stone, price)| Sample {
            price: Price::try_from(price).unwrap(),
            ..fixture::samples(30)[stone]
        });
        proptest::collection::vec(sale, 0..100)
    }

    proptest! {
        #[test]
        fn no_diamond_is_on_two_sides(sales in sales()) {
            let Split { training, holdout } = split(&sales);
            for sample in &training {
                prop_assert!(holdout.iter().all(|other| other.diamond != sample.diamond));
            }
        }

        #[test]
        fn no_sample_is_lost_and_none_changes_place(sales in sales()) {
            let Split { training, holdout } = split(&sales);
            prop_assert_eq!(training.len() + holdout.len(), sales.len());
            let mut sides = (training.into_iter().peekable(), holdout.into_iter().peekable());
            for sale in sales {
                let next = sides.0.next_if_eq(&sale).or_else(|| sides.1.next_if_eq(&sale));
                prop_assert_eq!(next, Some(sale));
            }
        }

        #[test]
        fn more_samples_move_none_to_the_other_side(sales in sales(), kept in 0_usize..100) {
            let before = split(&sales[..kept.min(sales.len())]);
            let after = split(&sales);
            prop_assert!(after.training.starts_with(&before.training));
            prop_assert!(after.holdout.starts_with(&before.holdout));
        }
    }
}
