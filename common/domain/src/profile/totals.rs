//! What is counted over every sample of a file.

use super::feature::{NUMBERS, numbers_of};
use crate::{Clarity, Color, Cut, Sample};

/// Exact counts and extremes, and the sums behind the means.
///
/// The sums are plain `f64`: of fifty million values, the mean is good to eight digits at the very
/// least, and its last bits depend on the order of the rows.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) rows: u64,
    min: [f64; NUMBERS],
    max: [f64; NUMBERS],
    sum: [f64; NUMBERS],
    pub(super) cut: [u64; Cut::ALL.len()],
    pub(super) color: [u64; Color::ALL.len()],
    pub(super) clarity: [u64; Clarity::ALL.len()],
}

/// Where the values of a numeric feature lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) max: f64,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self {
            rows: 0,
            min: [f64::INFINITY; NUMBERS],
            max: [f64::NEG_INFINITY; NUMBERS],
            sum: [0.0; NUMBERS],
            cut: [0; Cut::ALL.len()],
            color: [0; Color::ALL.len()],
            clarity: [0; Clarity::ALL.len()],
        }
    }

    /// Counts `sample` and returns its numbers.
    #[inline]
    pub(super) fn add(&mut self, sample: &Sample) -> [f64; NUMBERS] {
        let numbers = numbers_of(sample);
        for (feature, number) in numbers.into_iter().enumerate() {
            self.min[feature] = self.min[feature].min(number);
            self.max[feature] = self.max[feature].max(number);
            self.sum[feature] += number;
        }
        self.rows += 1;
        self.cut[sample.diamond.cut.rank()] += 1;
        self.color[sample.diamond.color.rank()] += 1;
        self.clarity[sample.diamond.clarity.rank()] += 1;
        numbers
    }

    /// The spans of the numeric features; infinite when nothing was added.
    ///
    /// The mean is held within the extremes, which is also what becomes of a sum too large for `f64`.
    pub(super) fn spans(&self) -> [Span; NUMBERS] {
        std::array::from_fn(|feature| {
            let (min, max) = (self.min[feature], self.max[feature]);
            let mean = self.sum[feature] / self.rows as f64;
            Span {
                min,
                mean: mean.max(min).min(max),
                max,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::sample;

    fn prices(prices: &[f64]) -> Span {
        let mut totals = Totals::new();
        for price in prices {
            totals.add(&sample(*price));
        }
        totals.spans()[3]
    }

    #[test]
    fn extremes_and_mean_are_those_of_all_rows() {
        let span = prices(&[4.0, 1.0, 2.0, 3.0, 10.0]);
        assert_eq!((span.min, span.mean, span.max), (1.0, 4.0, 10.0));
    }

    #[test]
    fn a_sum_beyond_f64_still_has_a_finite_mean() {
        assert_eq!(prices(&[f64::MAX, f64::MAX]).mean, f64::MAX);
    }
}
