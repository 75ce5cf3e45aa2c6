//! Made-up samples for the tests of this module.

use super::{Distribution, Profile, Sampler};
use crate::{Carat, Clarity, Color, Cut, Diamond, Millimeters, Percent, Price, Sample, SampleHash};

/// A sample at `price` US dollars.
pub(super) fn sample(price: f64) -> Sample {
    stone(1.1, 62.0, price, [Cut::Ideal.rank(), 2, 1])
}

/// `rows` samples drawn at random from one distribution, roughly that of real stones.
pub(super) fn stream(seed: u64, rows: usize) -> Vec<Sample> {
    let mut random = Random(seed);
    (0..rows).map(|_| random.sample()).collect()
}

/// The sampler after `samples`.
pub(super) fn sampled(samples: &[Sample]) -> Sampler {
    let mut sampler = Sampler::default();
    for sample in samples {
        sampler.add(SampleHash::of(sample), sample);
    }
    sampler
}

/// The distribution of `samples`.
pub(super) fn distribution(samples: &[Sample]) -> Distribution {
    Profile::of(sampled(samples), None, 0.25)
        .map(|(_, distribution)| distribution)
        .unwrap_or_default()
}

/// SplitMix64 (Steele, Lea & Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly within [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, with variance 1: a sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// A rank below `grades`, the middle ones more often than the outer ones.
    fn rank(&mut self, grades: usize) -> usize {
        ((self.unit() + self.unit()) / 2.0 * grades as f64) as usize
    }

    fn sample(&mut self) -> Sample {
        let carat = rounded(0.7 * (0.5 * self.normal()).exp(), 0.01);
        let depth = rounded(61.7 + 1.4 * self.normal(), 0.1);
        let price = rounded(4000.0 * carat.powf(1.7) * (0.2 * self.normal()).exp(), 1.0);
        let ranks = [Cut::ALL.len(), Color::ALL.len(), Clarity::ALL.len()].map(|grades| self.rank(grades));
        stone(carat, depth, price, ranks)
    }
}

fn rounded(number: f64, step: f64) -> f64 {
    ((number / step).round() * step).max(step)
}

fn stone(carat: f64, depth: f64, price: f64, [cut, color, clarity]: [usize; 3]) -> Sample {
    let side = rounded(6.5 * carat.cbrt(), 0.01);
    Sample {
        diamond: Diamond {
            carat: Carat::try_from(carat).unwrap(),
            cut: Cut::ALL[cut],
            color: Color::ALL[color],
            clarity: Clarity::ALL[clarity],
            depth: Percent::try_from(depth).unwrap(),
            table: Percent::try_from(rounded(depth - 4.0, 1.0)).unwrap(),
            x: Millimeters::try_from(side).unwrap(),
            y: Millimeters::try_from(rounded(side + 0.02, 0.01)).unwrap(),
            z: Millimeters::try_from(rounded(side * depth / 100.0, 0.01)).unwrap(),
        },
        price: Price::try_from(price).unwrap(),
    }
}
