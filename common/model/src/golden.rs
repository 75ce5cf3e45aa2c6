//! Golden predictions: a few fixed diamonds with the prices that a model gives them.
//!
//! They travel inside the artifact, so that whoever loads it can tell that it predicts as it did
//! where it was trained. The set is `lapidary-golden-1`: one diamond per clarity, worst first, cuts
//! and colors in turn so that every grade is there, of the least, the middle and the largest
//! weight that training saw, every other one without x.

use domain::{Carat, Clarity, Color, Cut, Millimeters, PartialDiamond, Percent};
use serde::{Deserialize, Serialize};

use crate::{Predictor, range::TrainedOn};

/// A diamond and its price.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Golden {
    #[serde(with = "DiamondForm")]
    pub(crate) diamond: PartialDiamond,
    /// In US dollars.
    pub(crate) price: f64,
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

/// The golden predictions of `predictor`.
pub(crate) fn of(predictor: &Predictor) -> Vec<Golden> {
    let priced = |diamond| Golden {
        diamond,
        price: predictor.predict(&diamond),
    };
    diamonds(predictor.trained_on()).into_iter().map(priced).collect()
}

fn diamonds(trained_on: &TrainedOn) -> Vec<PartialDiamond> {
    let sizes = trained_on
        .carat
        .landmarks()
        .into_iter()
        .zip(trained_on.x.landmarks())
        .cycle();
    let grades = Clarity::ALL
        .iter()
        .zip(Color::ALL.iter().cycle())
        .zip(Cut::ALL.iter().cycle());
    let described = grades.zip(sizes).enumerate();
    described
        .map(
            |(position, (((&clarity, &color), &cut), (carat, x)))| PartialDiamond {
                carat,
                cut,
                color,
                clarity,
                depth: None,
                table: None,
                x: position.is_multiple_of(2).then_some(x),
                y: None,
                z: None,
            },
        )
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
}
