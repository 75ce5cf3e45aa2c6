//! How far predictions are from prices.

use std::collections::BTreeMap;

use domain::{
    Clarity, Color, Cut, Diamond, PartialDiamond, Sample,
    metrics::{Errors, Score},
};

use crate::{Predictor, quality::Quality};

/// Scores `predictor` on `samples` and on their part of each grade; none where there are none.
///
/// Errors too large for a number, as an absurd feature gives, are written as the largest one, so
/// that a score can always be stored and compared.
#[must_use]
pub fn score(predictor: &Predictor, samples: &[Sample]) -> Option<Score> {
    score_asked(predictor, samples, |diamond| diamond)
}

/// As [`score`], each sample being asked about as `asked` leaves it.
pub(crate) fn score_asked(
    predictor: &Predictor,
    samples: &[Sample],
    asked: fn(PartialDiamond) -> PartialDiamond,
) -> Option<Score> {
    if samples.is_empty() {
        return None;
    }
    let mut all = Sums::default();
    let mut slices = Slices::default();
    for sample in samples {
        let price = sample.price.get();
        let error = predictor.predict(&asked(sample.diamond.into())) - price;
        all.add(price, error);
        slices.add(&sample.diamond, price, error);
    }
    Some(Score {
        errors: all.errors(),
        slices: slices.errors(),
    })
}

/// What errors are made of, summed in the order of the samples.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: u64,
    absolute: f64,
    squared: f64,
    /// Mean of the prices so far, in US dollars.
    mean_price: f64,
    /// Sum of the prices' squared distances from their mean, by Welford's method: exactly 0 where
    /// they do not vary.
    price_spread: f64,
}

impl Sums {
    fn add(&mut self, price: f64, error: f64) {
        self.n += 1;
        self.absolute += error.abs();
        self.squared += error * error;
        let distance = price - self.mean_price;
        self.mean_price += distance / self.n as f64;
        self.price_spread += distance * (price - self.mean_price);
    }

    /// The errors of at least one sample.
    fn errors(&self) -> Errors {
        let n = self.n as f64;
        Errors {
            mae: bounded(self.absolute / n),
            rmse: bounded((self.squared / n).sqrt()),
            r2: (self.price_spread > 0.0).then(|| 1.0 - bounded(self.squared / self.price_spread)),
            n: self.n,
        }
    }
}

fn bounded(error: f64) -> f64 {
    if error.is_finite() { error } else { f64::MAX }
}

/// A band of true prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PriceBand(usize);

impl PriceBand {
    /// Where each band but the first begins, in US dollars.
    const EDGES: [f64; 4] = [1_000.0, 2_500.0, 5_000.0, 10_000.0];
    const NAMES: [&str; 5] = ["below 1000", "1000-2500", "2500-5000", "5000-10000", "from 10000"];

    /// The band that `price` is in.
    pub(crate) fn of(price: f64) -> Self {
        Self(Self::EDGES.partition_point(|edge| *edge <= price))
    }

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self.0]
    }
}

/// Sums per quality and grade, and per band of prices.
#[derive(Default)]
struct Slices {
    price: BTreeMap<PriceBand, Sums>,
    cut: BTreeMap<Cut, Sums>,
    color: BTreeMap<Color, Sums>,
    clarity: BTreeMap<Clarity, Sums>,
}

impl Slices {
    fn add(&mut self, diamond: &Diamond, price: f64, error: f64) {
        of_grade(&mut self.cut, diamond).add(price, error);
        of_grade(&mut self.color, diamond).add(price, error);
        of_grade(&mut self.clarity, diamond).add(price, error);
        self.price
            .entry(PriceBand::of(price))
            .or_default()
            .add(price, error);
    }

    fn errors(&self) -> BTreeMap<String, BTreeMap<String, Errors>> {
        let bands = self
            .price
            .iter()
            .map(|(band, sums)| (band.name().to_owned(), sums.errors()));
        BTreeMap::from([
            slice(&self.cut),
            slice(&self.color),
            slice(&self.clarity),
            ("price".to_owned(), bands.collect()),
        ])
    }
}

fn of_grade<'a, G: Quality>(sums: &'a mut BTreeMap<G, Sums>, diamond: &Diamond) -> &'a mut Sums {
    sums.entry(G::of(diamond)).or_default()
}

fn slice<G: Quality>(sums: &BTreeMap<G, Sums>) -> (String, BTreeMap<String, Errors>) {
    let errors = sums
        .iter()
        .map(|(grade, sums)| (grade.name().to_owned(), sums.errors()));
    (G::NAME.to_owned(), errors.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use domain::Price;
    use proptest::prelude::*;

    fn priced(prices: &[f64]) -> Vec<Sample> {
        let sample = |price: &f64| Sample {
            diamond: fixture::diamond(),
            price: Price::try_from(*price).unwrap(),
        };
        prices.iter().map(sample).collect()
    }

    #[test]
    fn errors_are_those_worked_out_by_hand() {
        let predictor = fixture::predictor(1.0);
        let price = predictor.predict(&fixture::partial_diamond());
        let score = score(&predictor, &priced(&[price - 30.0, price, price + 60.0])).unwrap();
        assert!((score.errors.mae - 30.0).abs() < 1e-9);
        assert!((score.errors.rmse - 1500.0_f64.sqrt()).abs() < 1e-9);
        assert!((score.errors.r2.unwrap() - (1.0 - 4500.0 / 4200.0)).abs() < 1e-9);
        assert_eq!(score.errors.n, 3);
        assert_eq!(score.slices["cut"]["Ideal"], score.errors);
    }

    #[test]
    fn prices_that_do_not_vary_have_no_r2() {
        let score = score(&fixture::predictor(1.0), &priced(&[1000.1; 7])).unwrap();
        assert_eq!(score.errors.r2, None);
    }

    #[test]
    fn nothing_scores_nothing() {
        assert_eq!(score(&fixture::predictor(1.0), &[]), None);
    }

    #[test]
    fn an_error_beyond_every_number_is_the_largest_number() {
        let score = score(&fixture::predictor(f64::MAX), &priced(&[1.0, 2.0])).unwrap();
        assert_eq!((score.errors.mae, score.errors.rmse), (f64::MAX, f64::MAX));
        assert!(score.errors.r2.unwrap().is_finite());
    }

    proptest! {
        #[test]
        fn slices_add_up_to_the_whole(count in 1_usize..200) {
            let score = score(&fixture::predictor(1.1), &fixture::samples(count)).unwrap();
            prop_assert_eq!(score.slices.len(), 4);
            for grades in score.slices.values() {
                prop_assert_eq!(grades.values().map(|errors| errors.n).sum::<u64>(), count as u64);
                let absolute: f64 = grades.values().map(|errors| errors.mae * errors.n as f64).sum();
                prop_assert!((absolute / count as f64 - score.errors.mae).abs() < 1e-6);
            }
        }
    }
}
