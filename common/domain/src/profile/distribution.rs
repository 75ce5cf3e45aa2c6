//! How often each value occurs, in a form that can be stored and summed.

use serde::{Deserialize, Serialize};

use super::{
    feature::{NUMBERS, Numbers},
    histogram::Histogram,
    totals::Totals,
};
use crate::{Clarity, Color, Cut};

/// How the features of some samples are spread: a histogram of each.
///
/// It is stored with each data file; the sum over the files of the dataset is "the dataset so far",
/// in which a sample counts as often as files bring it. Numbers are counted in fixed bins, 64 to each
/// doubling, grades one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    pub(super) numbers: Numbers<Histogram<u32>>,
    pub(super) cut: Histogram<Cut>,
    pub(super) color: Histogram<Color>,
    pub(super) clarity: Histogram<Clarity>,
}

impl Distribution {
    /// Of a file: its exact totals, and the columns of its sample in ascending order.
    pub(super) fn of(totals: &Totals, columns: &[Vec<f64>; NUMBERS]) -> Self {
        let numbers = columns
            .each_ref()
            .map(|column| Histogram::of_sample(column, totals.rows));
        Self {
            numbers: numbers.into(),
            cut: Cut::ALL.iter().copied().zip(totals.cut).collect(),
            color: Color::ALL.iter().copied().zip(totals.color).collect(),
            clarity: Clarity::ALL.iter().copied().zip(totals.clarity).collect(),
        }
    }

    /// How many samples it counts.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.cut.total()
    }

    /// Adds the samples of another file.
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in self.numbers.each_mut().into_iter().zip(other.numbers.each()) {
            mine.add(others);
        }
        self.cut.add(&other.cut);
        self.color.add(&other.color);
        self.clarity.add(&other.clarity);
    }

    /// Takes out the samples of a file that was added before. What was never added is not taken out:
    /// no count falls below 0.
    pub fn remove(&mut self, other: &Self) {
        for (mine, others) in self.numbers.each_mut().into_iter().zip(other.numbers.each()) {
            mine.remove(others);
        }
        self.cut.remove(&other.cut);
        self.color.remove(&other.color);
        self.clarity.remove(&other.clarity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::{distribution, sample, stream};
    use proptest::prelude::*;

    #[test]
    fn the_stored_json_is_pinned() {
        insta::assert_json_snapshot!(distribution(&[326.0, 326.5, 2_000.0].map(sample)));
    }

    #[test]
    fn what_was_never_added_cannot_be_taken_out() {
        let mut none = Distribution::default();
        none.remove(&distribution(&stream(1, 9)));
        assert_eq!(none, Distribution::default());
    }

    proptest! {
        #[test]
        fn the_sum_is_the_distribution_of_the_union(seed: u64, first in 0_usize..40, rows in 40_usize..90) {
            let samples = stream(seed, rows);
            let mut sum = distribution(&samples[..first]);
            sum.add(&distribution(&samples[first..]));
            prop_assert_eq!(sum.rows(), rows as u64);
            prop_assert_eq!(sum, distribution(&samples));
        }

        #[test]
        fn what_was_added_can_be_taken_out(seed: u64, first in 0_usize..40, rows in 40_usize..90) {
            let samples = stream(seed, rows);
            let mut rest = distribution(&samples);
            rest.remove(&distribution(&samples[first..]));
            prop_assert_eq!(rest, distribution(&samples[..first]));
        }

        #[test]
        fn it_survives_storage(seed: u64, rows in 0_usize..90) {
            let stored = distribution(&stream(seed, rows));
            let text = serde_json::to_string(&stored).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Distribution>(&text).unwrap(), &stored);
            let json = serde_json::to_value(&stored).unwrap();
            prop_assert_eq!(serde_json::from_value::<Distribution>(json).unwrap(), stored);
        }
    }
}
