//! How sure the difference between two models is: a paired bootstrap over the holdout.
//!
//! Each resample draws as many samples as the holdout has, with replacement, and takes the mean difference of the
//! errors that models are chosen by ([`selection`]); the interval holds the middle 95 % of those means (percentile
//! method, Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).

use domain::{Sample, verdict::Difference};

use super::selection;
use crate::Predictor;

const RESAMPLES: usize = 1_000;
/// Places of the 2.5 % and 97.5 % percentiles among the sorted means.
const LOW: usize = 24;
const HIGH: usize = 974;
/// Fixed, so that the same two models on the same holdout get the same interval: "LAPIDARY".
const SEED: u64 = 0x4C41_5049_4441_5259;

/// The champion's error less the challenger's, in US dollars on a diamond of the median price; none where there are
/// no samples.
pub(super) fn difference(
    champion: &Predictor,
    challenger: &Predictor,
    holdout: &[Sample],
) -> Option<Difference> {
    let price = selection::median_price(holdout)?;
    let gains: Vec<f64> = holdout
        .iter()
        .map(|sample| selection::error(champion, sample) - selection::error(challenger, sample))
        .collect();
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    let mut means = resampled_means(&gains);
    means.sort_by(f64::total_cmp);
    Some(Difference {
        mean: mean * price,
        low: *means.get(LOW)? * price,
        high: *means.get(HIGH)? * price,
    })
}

fn resampled_means(gains: &[f64]) -> Vec<f64> {
    let mut random = SplitMix64(SEED);
    let mut resampled_mean = || {
        let sum: f64 = gains.iter().map(|_| gains[random.below(gains.len())]).sum();
        sum / gains.len() as f64
    };
    (0..RESAMPLES).map(|_| resampled_mean()).collect()
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, by the high half of a product; its bias is below `bound` / 2⁶⁴.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    #[test]
    fn the_generator_gives_its_published_numbers() {
        let mut random = SplitMix64(1_234_567);
        assert_eq!(
            [random.next(), random.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn a_model_that_is_better_on_every_sample_has_an_interval_above_zero() {
        let difference = difference(
            &fixture::predictor(2.0),
            &fixture::predictor(1.0),
            &fixture::samples(200),
        )
        .unwrap();
        assert!(difference.low > 0.0, "{difference:?}");
    }

    /// For a mean of independent values the interval is near mean ± 1.96 standard errors.
    #[test]
    fn the_interval_is_as_wide_as_theory_says() {
        let gains: Vec<f64> = (0..2_000).map(|n| f64::from(n % 20)).collect();
        let mut means = resampled_means(&gains);
        means.sort_by(f64::total_cmp);
        let half_width = 1.96 * (33.25_f64 / 2_000.0).sqrt();
        assert!((means[LOW] - (9.5 - half_width)).abs() < 0.05, "{}", means[LOW]);
        assert!((means[HIGH] - (9.5 + half_width)).abs() < 0.05, "{}", means[HIGH]);
    }

    #[test]
    fn no_samples_have_no_interval_and_infinite_errors_a_finite_one() {
        let (good, absurd) = (fixture::predictor(1.0), fixture::predictor(f64::MAX));
        assert_eq!(difference(&good, &good, &[]), None);
        let difference = difference(&absurd, &good, &fixture::samples(9)).unwrap();
        assert!(
            difference.low > 0.0 && difference.high.is_finite(),
            "{difference:?}"
        );
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_mean_and_turns_with_the_models((a, b) in (0.5..2.0, 0.5..2.0)) {
            let (a, b, holdout) = (fixture::predictor(a), fixture::predictor(b), fixture::samples(60));
            let forth = difference(&a, &b, &holdout).unwrap();
            let back = difference(&b, &a, &holdout).unwrap();
            prop_assert!(forth.low <= forth.mean && forth.mean <= forth.high);
            prop_assert_eq!(forth.mean, -back.mean);
        }
    }
}
