//! How a missing x is estimated from the weight.

use domain::Sample;

use crate::linear::MissingX;

/// Least squares of log x on log carat. Not finite where the weights do not vary.
pub(super) fn fit(samples: &[Sample]) -> MissingX {
    let logs = || {
        samples
            .iter()
            .map(|s| (s.diamond.carat.get().ln(), s.diamond.x.get().ln()))
    };
    let n = samples.len() as f64;
    let (carat_sum, x_sum) = logs().fold((0.0, 0.0), |(a, b), (carat, x)| (a + carat, b + x));
    let (mean_carat, mean_x) = (carat_sum / n, x_sum / n);
    let covariance: f64 = logs().map(|(carat, x)| (carat - mean_carat) * (x - mean_x)).sum();
    let variance: f64 = logs().map(|(carat, _)| (carat - mean_carat).powi(2)).sum();
    let log_carat = covariance / variance;
    MissingX {
        intercept: mean_x - log_carat * mean_carat,
        log_carat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, millimeters};

    #[test]
    fn a_power_law_is_found() {
        let mut samples = fixture::samples(100);
        for sample in &mut samples {
            sample.diamond.x = millimeters(6.5 * sample.diamond.carat.get().powf(0.34));
        }
        let found = fit(&samples);
        assert!((found.intercept - 6.5_f64.ln()).abs() < 1e-12, "{found:?}");
        assert!((found.log_carat - 0.34).abs() < 1e-12, "{found:?}");
    }
}
