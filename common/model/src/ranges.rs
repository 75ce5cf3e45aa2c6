//! Ranges around prices that hold the true price nine times in ten: split conformal prediction.
//!
//! A range is as wide as the model erred on samples that it was not trained on: on the logarithm of the price, so that
//! it grows with the price and never reaches 0. With *n* calibration samples the quantile is the ⌈(*n* + 1) · 0.9⌉-th
//! smallest error; a new diamond from the same trade is then covered with a probability of at least 0.9
//! (Lei et al., "Distribution-free predictive inference for regression", 2018, theorem 2.2).

use domain::{PartialDiamond, Sample};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::Predictor;

/// The share of true prices that ranges aim to hold.
pub const LEVEL: f64 = 0.9;
/// With fewer calibration samples than this there is no range: it would say more about them than about diamonds.
pub const MIN_SAMPLES: u64 = 100;

/// How wide ranges are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ranges {
    /// Where every measure that the model uses is given.
    complete: Calibration,
    /// Where none of them is.
    masked: Calibration,
}

/// What errors on the calibration samples came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Calibration {
    /// How many samples there were.
    n: u64,
    /// The quantile of |log price − log prediction|; none where there are too few samples or it is not finite.
    #[serde(deserialize_with = "not_negative")]
    quantile: Option<f64>,
}

/// A range that holds the true price with a probability of [`LEVEL`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceRange {
    /// Above 0, in US dollars.
    pub low: f64,
    /// In US dollars.
    pub high: f64,
}

/// Why there is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRange {
    /// Nothing to tell it from.
    #[error(
        "the model had only {have} samples to calibrate ranges on, and at least {MIN_SAMPLES} are needed; \
         with more data there will be ranges"
    )]
    TooFewSamples {
        /// How many there were.
        have: u64,
    },
    /// The price is no positive number.
    #[error("the price itself is not a positive number, so there is nothing to put a range around")]
    NoPrice,
    /// The model's errors have no bound.
    #[error("the model's errors are too large for a range")]
    Unbounded,
}

impl Ranges {
    /// Calibrates on samples that `predictor` was not trained on.
    #[must_use]
    pub fn calibrate(predictor: &Predictor, samples: &[Sample]) -> Self {
        let errors = |asked: fn(PartialDiamond) -> PartialDiamond| {
            let error = |sample: &Sample| error(predictor, &asked(sample.diamond.into()), sample);
            Calibration::of(samples.iter().map(error).collect())
        };
        Self {
            complete: errors(|diamond| diamond),
            masked: errors(|diamond| diamond.masked()),
        }
    }

    /// The range around `price`, which `predictor` gave for `diamond`. Where some of the measures that the model uses
    /// are given and some are not, it is the wider of the two that were calibrated.
    ///
    /// # Errors
    ///
    /// Where there were too few samples to calibrate on, the errors on them had no bound, or the price is not a
    /// positive number.
    pub fn range(
        &self,
        predictor: &Predictor,
        diamond: &PartialDiamond,
        price: f64,
    ) -> Result<PriceRange, NoRange> {
        if !(price > 0.0 && price.is_finite()) {
            return Err(NoRange::NoPrice);
        }
        let quantile = match given(predictor, diamond) {
            Given::All => self.complete.quantile()?,
            Given::None => self.masked.quantile()?,
            Given::Some => self.complete.quantile()?.max(self.masked.quantile()?),
        };
        let range = PriceRange {
            low: price * (-quantile).exp(),
            high: price * quantile.exp(),
        };
        if range.low > 0.0 && range.high.is_finite() {
            Ok(range)
        } else {
            Err(NoRange::Unbounded)
        }
    }
}

impl Calibration {
    fn of(mut errors: Vec<f64>) -> Self {
        let n = errors.len() as u64;
        errors.sort_by(f64::total_cmp);
        let quantile = errors.get(rank(n).saturating_sub(1) as usize).copied();
        let quantile = quantile.filter(|quantile| n >= MIN_SAMPLES && quantile.is_finite());
        Self { n, quantile }
    }

    fn quantile(&self) -> Result<f64, NoRange> {
        self.quantile.ok_or(if self.n < MIN_SAMPLES {
            NoRange::TooFewSamples { have: self.n }
        } else {
            NoRange::Unbounded
        })
    }
}

/// Below 0, a range would turn around.
fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let quantile = Option::<f64>::deserialize(deserializer)?;
    if quantile.is_some_and(|quantile| quantile < 0.0) {
        return Err(D::Error::custom("the quantile of a range is below 0"));
    }
    Ok(quantile)
}

/// ⌈(n + 1) · 0.9⌉, counted from 1.
fn rank(n: u64) -> u64 {
    ((n + 1) * 9).div_ceil(10)
}

/// Infinite where the prediction has no logarithm.
fn error(predictor: &Predictor, diamond: &PartialDiamond, sample: &Sample) -> f64 {
    let predicted = predictor.predict(diamond);
    if predicted > 0.0 {
        (sample.price.get().ln() - predicted.ln()).abs()
    } else {
        f64::INFINITY
    }
}

/// How many of the measures that a model uses are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    All,
    Some,
    None,
}

fn given(predictor: &Predictor, diamond: &PartialDiamond) -> Given {
    let used = predictor.measures_used().into_iter().zip(diamond.measures());
    let (mut known, mut unknown) = (false, false);
    for (_, given) in used.filter(|(used, _)| *used) {
        known |= given;
        unknown |= !given;
    }
    match (known, unknown) {
        (_, false) => Given::All,
        (true, true) => Given::Some,
        (false, true) => Given::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, 1)]
    #[case(8, 9)]
    #[case(9, 9)]
    #[case(10, 10)]
    #[case(18, 18)]
    #[case(19, 18)]
    #[case(99, 90)]
    #[case(100, 91)]
    #[case(500, 451)]
    fn the_rank_is_that_of_split_conformal_prediction(#[case] n: u64, #[case] expected: u64) {
        assert_eq!(rank(n), expected);
    }

    #[test]
    fn the_quantile_is_the_error_of_that_rank() {
        let errors = (1..=100).rev().map(f64::from).collect();
        assert_eq!(Calibration::of(errors).quantile(), Ok(91.0));
    }

    #[test]
    fn too_few_samples_make_no_range_and_the_reason_counts_them() {
        let predictor = fixture::predictor(1.0);
        let ranges = Ranges::calibrate(&predictor, &fixture::samples(99));
        let none = ranges.range(&predictor, &fixture::partial_diamond(), 1_000.0);
        assert_eq!(none, Err(NoRange::TooFewSamples { have: 99 }));
        assert!(none.unwrap_err().to_string().contains("only 99 samples"));
    }

    #[test]
    fn errors_beyond_every_bound_and_prices_that_are_none_have_no_range() {
        let diamond = fixture::partial_diamond();
        let range = |predictor: &Predictor, price| {
            let ranges = Ranges::calibrate(predictor, &fixture::samples(200));
            ranges.range(predictor, &diamond, price)
        };
        let (good, absurd) = (fixture::predictor(1.0), fixture::predictor(f64::MAX));
        assert_eq!(range(&absurd, 1_000.0), Err(NoRange::Unbounded));
        for price in [0.0, -3.0, f64::INFINITY, f64::NAN] {
            assert_eq!(range(&good, price), Err(NoRange::NoPrice));
        }
    }

    #[test]
    fn what_a_request_leaves_out_decides_which_range_it_gets() {
        let predictor = fixture::predictor(1.0);
        let calibration = |quantile| Calibration {
            n: 500,
            quantile: Some(quantile),
        };
        let ranges = Ranges {
            complete: calibration(0.1),
            masked: calibration(0.3),
        };
        let width = |diamond: &PartialDiamond| (ranges.range(&predictor, diamond, 1.0).unwrap().high).ln();
        let complete = fixture::partial_diamond();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(width(&complete), 0.1);
        near(width(&complete.masked()), 0.3);
        // The linear kind uses x alone.
        let x_alone = PartialDiamond {
            x: complete.x,
            ..complete.masked()
        };
        near(width(&x_alone), 0.1);
    }

    /// With 199 calibration samples the rank is 180 of 200: on average over all draws exactly 90 % are covered.
    #[test]
    fn unseen_samples_are_covered_nine_times_in_ten() {
        let predictor = fixture::predictor(1.03);
        let covered = |seed| {
            let samples = fixture::noisy_samples(995, 0.3, seed);
            // The fixture's features go in cycles: every fifth sample has them all.
            let (checking, calibrating): (Vec<_>, Vec<_>) =
                samples.iter().enumerate().partition(|(place, _)| place % 5 != 0);
            let calibrating: Vec<Sample> = calibrating.into_iter().map(|(_, sample)| *sample).collect();
            assert_eq!(calibrating.len(), 199);
            let ranges = Ranges::calibrate(&predictor, &calibrating);
            let covers = |sample: &Sample| {
                let diamond = sample.diamond.into();
                let range = ranges
                    .range(&predictor, &diamond, predictor.predict(&diamond))
                    .unwrap();
                (range.low..=range.high).contains(&sample.price.get())
            };
            let covered = checking.iter().filter(|(_, sample)| covers(sample)).count();
            covered as f64 / checking.len() as f64
        };
        let mean = (0..200).map(covered).sum::<f64>() / 200.0;
        assert!((mean - 0.9).abs() < 0.006, "{mean}");
    }

    proptest! {
        #[test]
        fn the_order_of_calibration_does_not_matter(count in 100_usize..200, turn in 0_usize..100) {
            let mut samples = fixture::samples(count);
            let predictor = fixture::predictor(1.0);
            let ranges = Ranges::calibrate(&predictor, &samples);
            samples.rotate_left(turn);
            prop_assert_eq!(Ranges::calibrate(&predictor, &samples), ranges);
        }

        #[test]
        fn a_range_holds_its_price_and_lies_above_0(price in 1.0..1e6, quantile in 0.0..3.0) {
            let calibration = Calibration { n: 100, quantile: Some(quantile) };
            let ranges = Ranges { complete: calibration, masked: calibration };
            let range = ranges.range(&fixture::predictor(1.0), &fixture::partial_diamond(), price).unwrap();
            prop_assert!(0.0 < range.low && range.low <= price && price <= range.high);
        }
    }
}
