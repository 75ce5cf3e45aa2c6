//! Estimates of measures that a caller does not give.

use domain::Carat;
#[cfg(any(test, feature = "learners"))]
use domain::Sample;
use domain::{PartialDiamond, Percent};
use serde::{Deserialize, Serialize};

/// A length that goes with a power of the weight: log length = intercept + `log_carat` · log carat.
/// A stone's volume goes with the cube of each of its lengths, so `log_carat` is near ⅓.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct PowerLaw {
    pub(crate) intercept: f64,
    pub(crate) log_carat: f64,
}

/// Logarithms of weights that vary less than this, squared and on average, are all the same.
#[cfg(any(test, feature = "learners"))]
const LEAST_VARIANCE: f64 = 1e-12;

impl PowerLaw {
    /// The length of a stone of `carat`, in millimeters.
    pub(crate) fn estimate(&self, carat: Carat) -> f64 {
        self.estimate_log(carat).exp()
    }

    /// The logarithm of [`estimate`](Self::estimate).
    pub(crate) fn estimate_log(&self, carat: Carat) -> f64 {
        self.intercept + self.log_carat * carat.get().ln()
    }

    /// Least squares over `samples` of the length that `millimeters` takes from one; the mean of
    /// its logarithm where the weights do not vary. NaN for no samples.
    #[cfg(any(test, feature = "learners"))]
    pub(crate) fn fit(samples: &[Sample], millimeters: impl Fn(&Sample) -> f64) -> Self {
        Self::fit_logs(samples, |sample| millimeters(sample).ln())
    }

    /// As [`fit`](Self::fit), of what `log` gives the logarithm of.
    #[cfg(any(test, feature = "learners"))]
    pub(crate) fn fit_logs(samples: &[Sample], log: impl Fn(&Sample) -> f64) -> Self {
        let logs = || {
            samples
                .iter()
                .map(|sample| (sample.diamond.carat.get().ln(), log(sample)))
        };
        let n = samples.len() as f64;
        let (carats, lengths) = logs().fold((0.0, 0.0), |sums, logs| (sums.0 + logs.0, sums.1 + logs.1));
        let (mean_carat, mean_length) = (carats / n, lengths / n);
        let covariance: f64 = logs()
            .map(|(carat, length)| (carat - mean_carat) * (length - mean_length))
            .sum();
        let variance: f64 = logs().map(|(carat, _)| (carat - mean_carat).powi(2)).sum();
        let log_carat = if variance < LEAST_VARIANCE * n {
            0.0
        } else {
            covariance / variance
        };
        Self {
            intercept: mean_length - log_carat * mean_carat,
            log_carat,
        }
    }
}

/// What stands in for each measure that is missing: the lengths follow from the weight, depth and
/// table are the medians of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct MissingMeasures {
    pub(crate) depth: Percent,
    pub(crate) table: Percent,
    pub(crate) x: PowerLaw,
    pub(crate) y: PowerLaw,
    pub(crate) z: PowerLaw,
}

impl MissingMeasures {
    /// What training samples suggest; none where there are none.
    #[cfg(any(test, feature = "learners"))]
    pub(crate) fn fit(samples: &[Sample]) -> Option<Self> {
        Some(Self {
            depth: median(samples.iter().map(|sample| sample.diamond.depth))?,
            table: median(samples.iter().map(|sample| sample.diamond.table))?,
            x: PowerLaw::fit(samples, |sample| sample.diamond.x.get()),
            y: PowerLaw::fit(samples, |sample| sample.diamond.y.get()),
            z: PowerLaw::fit(samples, |sample| sample.diamond.z.get()),
        })
    }

    /// Puts an estimate in place of each measure that is NaN in the row of `diamond`
    /// (as [`crate::features::row`] makes it).
    pub(crate) fn fill(&self, row: &mut [f32; 9], diamond: &PartialDiamond) {
        let [.., depth, table, x, y, z] = row;
        or_estimate(depth, || self.depth.get());
        or_estimate(table, || self.table.get());
        or_estimate(x, || self.x.estimate(diamond.carat));
        or_estimate(y, || self.y.estimate(diamond.carat));
        or_estimate(z, || self.z.estimate(diamond.carat));
    }
}

fn or_estimate(value: &mut f32, estimate: impl FnOnce() -> f64) {
    if value.is_nan() {
        *value = estimate() as f32;
    }
}

/// The lower of the two middle values where their number is even.
#[cfg(any(test, feature = "learners"))]
pub(crate) fn median<Q: Copy + Into<f64>>(values: impl Iterator<Item = Q>) -> Option<Q> {
    let mut values: Vec<Q> = values.collect();
    values.sort_by(|a, b| (*a).into().total_cmp(&(*b).into()));
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features,
        fixture::{self, carat, millimeters},
    };

    fn power_law_samples() -> Vec<Sample> {
        let mut samples = fixture::samples(100);
        for sample in &mut samples {
            sample.diamond.x = millimeters(6.5 * sample.diamond.carat.get().powf(0.34));
        }
        samples
    }

    #[test]
    fn a_power_law_is_found() {
        let found = PowerLaw::fit(&power_law_samples(), |sample| sample.diamond.x.get());
        assert!((found.intercept - 6.5_f64.ln()).abs() < 1e-12, "{found:?}");
        assert!((found.log_carat - 0.34).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn weights_that_do_not_vary_give_the_mean_length() {
        let mut samples = power_law_samples();
        for sample in &mut samples {
            sample.diamond.carat = carat(0.7);
            sample.diamond.x = millimeters(5.7);
        }
        let found = PowerLaw::fit(&samples, |sample| sample.diamond.x.get());
        assert!((found.estimate(carat(3.0)) - 5.7).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn only_what_is_missing_is_estimated() {
        let estimates = MissingMeasures::fit(&power_law_samples()).unwrap();
        let diamond = PartialDiamond {
            depth: None,
            x: None,
            ..fixture::partial_diamond()
        };
        let mut row = features::row(&diamond);
        estimates.fill(&mut row, &diamond);
        let x = (6.5 * 1.1_f64.powf(0.34)) as f32;
        assert_eq!(row[4..6], [62.0, 55.0]);
        assert!((row[6] - x).abs() < 1e-5, "{row:?}");
        assert_eq!(row[7..], [6.65, 4.11]);
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.0));
        assert_eq!(median(std::iter::empty::<f64>()), None);
    }
}
