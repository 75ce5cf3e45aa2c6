//! Samples that look like diamonds on sale, by fixed chance.

use domain::{Carat, Clarity, Color, Cut, Diamond, Millimeters, Percent, Price, Sample};

/// The first `count` samples.
pub(crate) fn samples(count: usize) -> Vec<Sample> {
    (0..count).map(sample).collect()
}

/// A number in 0..1 that `position` and `aspect` decide (the finisher of SplitMix64).
fn chance(position: usize, aspect: u64) -> f64 {
    let mut bits = (position as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ aspect.wrapping_mul(0xD1B5_4A32_D192_ED03);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn sample(position: usize) -> Sample {
    let chance = |aspect| chance(position, aspect);
    let one_of = |count: usize, aspect| (chance(aspect) * count as f64) as usize;
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let carat = rounded(0.2 + 2.3 * chance(1).powi(2));
    let (cut, color, clarity) = (
        Cut::ALL[one_of(5, 2)],
        Color::ALL[one_of(7, 3)],
        Clarity::ALL[one_of(8, 4)],
    );
    let depth = 59.0 + 5.0 * chance(5);
    let x = 6.45 * carat.cbrt() * (0.99 + 0.02 * chance(6));
    let worth = 1.0 + 0.03 * cut.rank() as f64 + 0.07 * color.rank() as f64 + 0.12 * clarity.rank() as f64;
    let price = 3_000.0 * carat.powf(1.8) * worth * (0.85 + 0.3 * chance(7));
    let millimeters = |value| Millimeters::try_from(rounded(value)).unwrap();
    let diamond = Diamond {
        carat: Carat::try_from(carat).unwrap(),
        cut,
        color,
        clarity,
        depth: Percent::try_from(rounded(depth)).unwrap(),
        table: Percent::try_from(rounded(53.0 + 8.0 * chance(8))).unwrap(),
        x: millimeters(x),
        y: millimeters(x * (0.99 + 0.02 * chance(9))),
        z: millimeters(x * depth / 100.0),
    };
    Sample {
        diamond,
        price: Price::try_from(price.round()).unwrap(),
    }
}
