//! The prices that learners fit: as they are, unless one is absurd.
//!
//! A price that is out by orders of magnitude would pull at every coefficient and take over the trees. So each is
//! fitted as at most a factor of e² away from what the weight alone suggests, by a power law through the others. The
//! grades move a price by less than that: of 50,000 real diamonds none is that far away, and is fitted as anything
//! but its price.

use domain::Sample;

use crate::{estimate::PowerLaw, gate::LARGEST_LOG_ERROR};

/// How often the law is fitted again to the prices that it leaves, at most; each time the absurd ones pull less.
const PASSES: usize = 5;

/// What to fit in place of prices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    law: PowerLaw,
}

impl Target {
    /// The target over training samples.
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut target = Self {
            law: PowerLaw::fit(samples, |sample| sample.price.get()),
        };
        for _ in 0..PASSES {
            if samples.iter().all(|sample| target.is_plausible(sample)) {
                break;
            }
            let law = PowerLaw::fit_logs(samples, |sample| target.log_price(sample));
            target = Self { law };
        }
        target
    }

    /// What to fit for `sample`, in US dollars: its price where that is plausible.
    pub(super) fn price(&self, sample: &Sample) -> f64 {
        if self.is_plausible(sample) {
            sample.price.get()
        } else {
            self.log_price(sample).exp()
        }
    }

    /// The logarithm of [`price`](Self::price).
    pub(super) fn log_price(&self, sample: &Sample) -> f64 {
        let (log, law) = (
            sample.price.get().ln(),
            self.law.estimate_log(sample.diamond.carat),
        );
        if law.is_finite() {
            log.min(law + LARGEST_LOG_ERROR).max(law - LARGEST_LOG_ERROR)
        } else {
            log
        }
    }

    /// A law that is no number judges nothing.
    fn is_plausible(&self, sample: &Sample) -> bool {
        let distance = sample.price.get().ln() - self.law.estimate_log(sample.diamond.carat);
        !distance.is_finite() || distance.abs() <= LARGEST_LOG_ERROR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use domain::Price;

    fn with_price(mut samples: Vec<Sample>, place: usize, price: f64) -> Vec<Sample> {
        samples[place].price = Price::try_from(price).unwrap();
        samples
    }

    #[test]
    fn ordinary_prices_are_fitted_as_they_are_bit_for_bit() {
        let samples = fixture::samples(400);
        let target = Target::of(&samples);
        for sample in &samples {
            assert_eq!(target.price(sample), sample.price.get());
            assert_eq!(target.log_price(sample), sample.price.get().ln());
        }
    }

    /// F9: an absurd price is fitted as a plausible one, and moves no other.
    #[test]
    fn an_absurd_price_becomes_plausible_and_the_others_stay() {
        for absurd in [1e-300, 1e-2, 1e7, 1e300] {
            let samples = with_price(fixture::samples(400), 7, absurd);
            let target = Target::of(&samples);
            let usual = fixture::samples(400)[7].price.get();
            let factor = target.price(&samples[7]) / usual;
            assert!(
                (0.02..50.0).contains(&factor),
                "{absurd} is fitted as {factor} times the price"
            );
            for (place, sample) in samples.iter().enumerate().filter(|(place, _)| *place != 7) {
                assert_eq!(
                    target.price(sample),
                    sample.price.get(),
                    "{place} beside {absurd}"
                );
            }
        }
    }

    #[test]
    fn nothing_to_judge_by_judges_nothing() {
        let target = Target::of(&[]);
        let sample = fixture::samples(1)[0];
        assert_eq!(target.price(&sample), sample.price.get());
    }
}
