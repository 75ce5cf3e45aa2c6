//! The errors that models are chosen by: a few absurd samples cannot turn them.
//!
//! An error is the distance between the logarithms of price and prediction, and none counts as more than
//! [`LARGEST_LOG_ERROR`]: what is wrong by more than that is simply wrong, whether by a digit or by ten. So of *n*
//! samples each moves the mean by at most 2/*n*, however absurd its price. Published errors are not limited.

use domain::Sample;

use crate::Predictor;

/// A factor of e², which is 7.4.
pub(crate) const LARGEST_LOG_ERROR: f64 = 2.0;

/// How a model does on a holdout, as the gate sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Selection {
    /// The mean error, from 0 to [`LARGEST_LOG_ERROR`].
    pub(super) error: f64,
    /// One less the sum of squared errors over that of the prices' distances from their median, all on logarithms and
    /// limited alike; none where the prices do not vary.
    pub(super) r2: Option<f64>,
}

impl Selection {
    /// None where there are no samples.
    pub(super) fn of(predictor: &Predictor, holdout: &[Sample]) -> Option<Self> {
        let center = median_price(holdout)?.ln();
        let (mut sum, mut squares, mut spread) = (0.0, 0.0, 0.0);
        for sample in holdout {
            let error = error(predictor, sample);
            let distance = limited(sample.price.get().ln() - center);
            sum += error;
            squares += error * error;
            spread += distance * distance;
        }
        Some(Self {
            error: sum / holdout.len() as f64,
            r2: (spread > 0.0).then(|| 1.0 - squares / spread),
        })
    }
}

/// The limited error on one sample; the largest where the prediction has no logarithm.
pub(super) fn error(predictor: &Predictor, sample: &Sample) -> f64 {
    let predicted = predictor.predict(&sample.diamond.into());
    if predicted > 0.0 {
        limited(predicted.ln() - sample.price.get().ln())
    } else {
        LARGEST_LOG_ERROR
    }
}

fn limited(distance: f64) -> f64 {
    distance.abs().min(LARGEST_LOG_ERROR)
}

/// The lower of the two middle prices where their number is even, in US dollars.
pub(super) fn median_price(samples: &[Sample]) -> Option<f64> {
    let mut prices: Vec<f64> = samples.iter().map(|sample| sample.price.get()).collect();
    let middle = prices.len().checked_sub(1)? / 2;
    let (_, median, _) = prices.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use domain::Price;

    fn priced(samples: &[Sample], place: usize, price: f64) -> Vec<Sample> {
        let mut samples = samples.to_vec();
        samples[place].price = Price::try_from(price).unwrap();
        samples
    }

    #[test]
    fn errors_are_those_worked_out_by_hand() {
        let diamond = fixture::diamond();
        let predictor = fixture::predictor(1.0);
        let price = predictor.predict(&diamond.into());
        let samples = [0.5, 1.0, 1e-9].map(|factor: f64| Sample {
            diamond,
            price: Price::try_from(price * factor).unwrap(),
        });
        let selection = Selection::of(&predictor, &samples).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        let ln2 = 2.0_f64.ln();
        near(selection.error, (ln2 + 0.0 + 2.0) / 3.0);
        // The median is the half price: the distances are 0, ln 2 and, limited, 2.
        near(selection.r2.unwrap(), 1.0 - (ln2 * ln2 + 4.0) / (ln2 * ln2 + 4.0));
    }

    /// F9: one absurd price, high or low, hardly moves what a model is chosen by.
    #[test]
    fn one_absurd_price_moves_little() {
        let (predictor, samples) = (fixture::predictor(1.0), fixture::samples(100));
        let clean = Selection::of(&predictor, &samples).unwrap();
        for absurd in [1e-300, 1e6, 1e9, 1e300] {
            let selection = Selection::of(&predictor, &priced(&samples, 7, absurd)).unwrap();
            assert!(
                selection.error <= clean.error + 2.0 / 100.0,
                "{absurd}: {selection:?}"
            );
            assert!(selection.r2.unwrap() > 0.9, "{absurd}: {selection:?}");
        }
    }

    #[test]
    fn prices_that_do_not_vary_have_no_r2_and_no_samples_no_error() {
        let predictor = fixture::predictor(1.0);
        assert_eq!(Selection::of(&predictor, &fixture::samples(1)).unwrap().r2, None);
        assert_eq!(Selection::of(&predictor, &[]), None);
        assert_eq!(median_price(&[]), None);
    }
}
