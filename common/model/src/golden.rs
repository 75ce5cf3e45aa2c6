//! Golden predictions: a few fixed diamonds with what a model says of them.
//!
//! They travel inside the artifact, so that whoever loads it can tell that it predicts as it did
//! where it was trained. The set is `lapidary-golden-2`: one diamond per clarity, worst first, cuts
//! and colors in turn so that every grade is there, of the least, the middle and the largest
//! weight and lengths that training saw, its depths and tables in the opposite order; and each of
//! them again without any measure but the weight.

use domain::{Carat, Clarity, Color, Cut, Millimeters, PartialDiamond, Percent};
use serde::{Deserialize, Serialize};

use crate::{Predictor, Ranges, range::TrainedOn};

/// A diamond and what the model says of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Golden {
    #[serde(with = "DiamondForm")]
    pub(crate) diamond: PartialDiamond,
    /// In US dollars.
    pub(crate) price: f64,
    /// Both ends of the range, in US dollars; none where the model gives none.
    pub(crate) range: Option<(f64, f64)>,
}

impl Golden {
    /// What `predictor` and `ranges` say of `diamond`.
    pub(crate) fn of(diamond: PartialDiamond, predictor: &Predictor, ranges: &Ranges) -> Self {
        let price = predictor.predict(&diamond);
        let range = ranges.range(predictor, &diamond, price).ok();
        Self {
            diamond,
            price,
            range: range.map(|range| (range.low, range.high)),
        }
    }

    /// Whether both say the same, bit for bit.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let bits = |golden: &Self| {
            let range = golden.range.map(|(low, high)| (low.to_bits(), high.to_bits()));
            (golden.price.to_bits(), range)
        };
        bits(self) == bits(other)
    }
}

/// How a diamond is written in an artifact: what is not known is left out.
#[derive(Serialize, Deserialize)]
#[serde(remote = "PartialDiamond")]
struct DiamondForm {
    carat: Carat,
    cut: Cut,
    color: Color,
    clarity: Clarity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    depth: Option<Percent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<Percent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<Millimeters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<Millimeters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    z: Option<Millimeters>,
}

/// The golden diamonds of a model: the complete ones, then the same ones masked.
pub(crate) fn diamonds(trained_on: &TrainedOn) -> Vec<PartialDiamond> {
    let complete = complete_diamonds(trained_on);
    let masked = complete.iter().map(PartialDiamond::masked).collect();
    [complete, masked].concat()
}

fn complete_diamonds(trained_on: &TrainedOn) -> Vec<PartialDiamond> {
    let (carat, x) = (trained_on.carat.landmarks(), trained_on.x.landmarks());
    let (y, z) = (trained_on.y.landmarks(), trained_on.z.landmarks());
    let (depth, table) = (trained_on.depth.landmarks(), trained_on.table.landmarks());
    let grades = Clarity::ALL
        .iter()
        .zip(Color::ALL.iter().cycle())
        .zip(Cut::ALL.iter().cycle());
    let sizes = (0..3).cycle();
    let described = grades.zip(sizes);
    described
        .map(|(((&clarity, &color), &cut), size)| PartialDiamond {
            carat: carat[size],
            cut,
            color,
            clarity,
            depth: Some(depth[2 - size]),
            table: Some(table[2 - size]),
            x: Some(x[size]),
            y: Some(y[size]),
            z: Some(z[size]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use std::collections::HashSet;

    #[test]
    fn every_grade_and_every_size_is_among_the_golden_diamonds() {
        let diamonds = diamonds(&fixture::linear_form().trained_on);
        let cuts: HashSet<_> = diamonds.iter().map(|diamond| diamond.cut).collect();
        let colors: HashSet<_> = diamonds.iter().map(|diamond| diamond.color).collect();
        let clarities: HashSet<_> = diamonds.iter().map(|diamond| diamond.clarity).collect();
        let sizes: HashSet<_> = diamonds
            .iter()
            .map(|diamond| (diamond.carat.get().to_bits(), diamond.x.is_some()))
            .collect();
        assert_eq!(
            (cuts.len(), colors.len(), clarities.len(), sizes.len()),
            (5, 7, 8, 6)
        );
    }

    #[test]
    fn half_of_the_golden_diamonds_are_complete_and_half_are_masked() {
        let diamonds = diamonds(&fixture::linear_form().trained_on);
        let (complete, masked) = diamonds.split_at(8);
        assert!(complete.iter().all(|diamond| diamond.measures() == [true; 5]));
        assert!(masked.iter().all(|diamond| diamond.measures() == [false; 5]));
    }
}
