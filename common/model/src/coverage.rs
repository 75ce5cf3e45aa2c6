//! How often true prices lie within the ranges that a model gives.

use std::collections::BTreeMap;

use domain::{
    Cut, PartialDiamond, Sample,
    metrics::{Coverage, Covered},
};

use crate::{
    Predictor,
    ranges::{LEVEL, Ranges},
    score::PriceBand,
};

/// Checks the ranges on `samples`, each asked about as `asked` leaves it; none where there is no range, or no sample.
#[must_use]
pub(crate) fn coverage(
    predictor: &Predictor,
    ranges: &Ranges,
    samples: &[Sample],
    asked: fn(PartialDiamond) -> PartialDiamond,
) -> Option<Coverage> {
    let mut all = Tally::default();
    let mut cuts: BTreeMap<Cut, Tally> = BTreeMap::new();
    let mut bands: BTreeMap<PriceBand, Tally> = BTreeMap::new();
    for sample in samples {
        let (diamond, price) = (asked(sample.diamond.into()), sample.price.get());
        let range = ranges
            .range(predictor, &diamond, predictor.predict(&diamond))
            .ok()?;
        let (holds, width) = ((range.low..=range.high).contains(&price), range.high - range.low);
        all.add(holds, width);
        cuts.entry(sample.diamond.cut).or_default().add(holds, width);
        bands.entry(PriceBand::of(price)).or_default().add(holds, width);
    }
    let cuts = cuts.iter().map(|(cut, tally)| (cut.to_string(), tally.covered()));
    let bands = bands
        .iter()
        .map(|(band, tally)| (band.name().to_owned(), tally.covered()));
    (all.n > 0).then(|| Coverage {
        level: LEVEL,
        overall: all.covered(),
        slices: BTreeMap::from([
            ("cut".to_owned(), cuts.collect()),
            ("price".to_owned(), bands.collect()),
        ]),
    })
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    n: u64,
    held: u64,
    width: f64,
}

impl Tally {
    fn add(&mut self, holds: bool, width: f64) {
        self.n += 1;
        self.held += u64::from(holds);
        self.width += width;
    }

    /// Of at least one sample.
    fn covered(&self) -> Covered {
        Covered {
            share: self.held as f64 / self.n as f64,
            width: self.width / self.n as f64,
            n: self.n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_slices_add_up_to_the_whole() {
        let predictor = fixture::predictor(1.0);
        let samples = fixture::samples(500);
        let ranges = Ranges::calibrate(&predictor, &samples);
        let coverage = coverage(&predictor, &ranges, &samples, |diamond| diamond).unwrap();
        assert_eq!(coverage.overall.n, 500);
        // 451 of 500 errors are at most the quantile, which is one of them and may be rounded away.
        assert!((coverage.overall.share - 0.902).abs() < 0.005, "{coverage:?}");
        for slices in coverage.slices.values() {
            assert_eq!(slices.values().map(|covered| covered.n).sum::<u64>(), 500);
        }
    }

    #[test]
    fn without_ranges_there_is_nothing_to_check() {
        let predictor = fixture::predictor(1.0);
        let ranges = Ranges::calibrate(&predictor, &[]);
        assert_eq!(
            coverage(&predictor, &ranges, &fixture::samples(9), |diamond| diamond),
            None
        );
    }
}
