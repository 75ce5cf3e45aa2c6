//! Models and samples for the tests of this crate.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Carat, Clarity, Color, Cut, Diamond, Millimeters, PartialDiamond, Percent, Price, Sample};
use proptest::prelude::*;

use crate::{
    Predictor,
    estimate::PowerLaw,
    linear::{LinearForm, LinearModel, QualityForm},
    range::{Range, TrainedOn},
};

pub(crate) fn carat(value: f64) -> Carat {
    Carat::try_from(value).unwrap()
}

pub(crate) fn millimeters(value: f64) -> Millimeters {
    Millimeters::try_from(value).unwrap()
}

fn percent(value: f64) -> Percent {
    Percent::try_from(value).unwrap()
}

/// Coefficients like those of the notebook, with some grades that training never saw.
pub(crate) fn linear_form() -> LinearForm {
    LinearForm {
        intercept: 1.0,
        carat: -0.5,
        x: 1.25,
        cut: QualityForm {
            reference: Cut::Fair,
            effects: BTreeMap::from([(Cut::Ideal, 0.011)]),
        },
        color: QualityForm {
            reference: Color::D,
            effects: BTreeMap::from([(Color::E, -0.073), (Color::H, -0.271)]),
        },
        clarity: QualityForm {
            reference: Clarity::I1,
            effects: BTreeMap::from([(Clarity::SI2, 0.379)]),
        },
        missing_x: PowerLaw {
            intercept: 1.865,
            log_carat: 0.333,
        },
        mean_terms: [-0.5, 0.005, -0.1, 0.2, 7.5],
        trained_on: trained_on(),
    }
}

fn trained_on() -> TrainedOn {
    let lengths = |low, high| Range {
        low: millimeters(low),
        high: millimeters(high),
    };
    let percents = |low, high| Range {
        low: percent(low),
        high: percent(high),
    };
    TrainedOn {
        carat: Range {
            low: carat(0.2),
            high: carat(3.0),
        },
        cut: BTreeSet::from([Cut::Fair, Cut::Ideal]),
        color: BTreeSet::from([Color::D, Color::E, Color::H]),
        clarity: BTreeSet::from([Clarity::I1, Clarity::SI2]),
        depth: percents(55.0, 70.0),
        table: percents(50.0, 65.0),
        x: lengths(3.7, 9.5),
        y: lengths(3.7, 9.5),
        z: lengths(2.2, 6.0),
    }
}

pub(crate) fn linear_model() -> LinearModel {
    linear_form().try_into().unwrap()
}

/// A predictor whose every price is `factor` times that of [`linear_model`].
pub(crate) fn predictor(factor: f64) -> Predictor {
    let mut form = linear_form();
    form.intercept += factor.ln();
    Predictor::Linear(form.try_into().unwrap())
}

/// A diamond of which [`linear_model`] finds nothing unusual.
pub(crate) fn diamond() -> Diamond {
    Diamond {
        carat: carat(1.1),
        cut: Cut::Ideal,
        color: Color::H,
        clarity: Clarity::SI2,
        depth: percent(62.0),
        table: percent(55.0),
        x: millimeters(6.61),
        y: millimeters(6.65),
        z: millimeters(4.11),
    }
}

pub(crate) fn partial_diamond() -> PartialDiamond {
    diamond().into()
}

/// Samples of every grade whose prices are near those of [`linear_model`], by a fixed pattern.
pub(crate) fn samples(count: usize) -> Vec<Sample> {
    (0..count).map(sample).collect()
}

fn sample(position: usize) -> Sample {
    let wobble = (position as f64 * 0.7).sin();
    let weight = 0.3 + 0.02 * ((position * 7) % 100) as f64;
    let diamond = Diamond {
        carat: carat(weight),
        cut: Cut::ALL[position % 5],
        color: Color::ALL[(position / 2) % 7],
        clarity: Clarity::ALL[(position / 3) % 8],
        x: millimeters(6.45 * weight.cbrt() + 0.1 * wobble),
        ..diamond()
    };
    let price = linear_model().predict(&diamond.into()) * (1.0 + 0.1 * (position as f64 * 1.3).cos());
    Sample {
        diamond,
        price: Price::try_from(price).unwrap(),
    }
}

/// Samples whose prices are those of [`linear_model`] times e to the power of something within
/// ±`spread`, drawn anew for every `seed`.
pub(crate) fn noisy_samples(count: usize, spread: f64, seed: u64) -> Vec<Sample> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // Knuth's linear congruential generator, its high bits.
    let mut unit = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let noisy = |mut sample: Sample| {
        let price = linear_model().predict(&sample.diamond.into());
        sample.price = Price::try_from(price * (spread * (2.0 * unit() - 1.0)).exp()).unwrap();
        sample
    };
    samples(count).into_iter().map(noisy).collect()
}

/// Diamonds of any grade, with and without x.
pub(crate) fn partial_diamonds() -> impl Strategy<Value = PartialDiamond> {
    let x = proptest::option::of((1.0..15.0).prop_map(millimeters));
    let grades = (
        proptest::sample::select(Cut::ALL),
        proptest::sample::select(Color::ALL),
        proptest::sample::select(Clarity::ALL),
    );
    ((0.05..8.0).prop_map(carat), grades, x).prop_map(|(carat, (cut, color, clarity), x)| PartialDiamond {
        carat,
        cut,
        color,
        clarity,
        x,
        ..partial_diamond()
    })
}

/// `value` with its numbers cut to six digits: the last ones are the processor's business.
pub(crate) fn rounded(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.5e}", number.as_f64().unwrap());
            Value::from(text.parse::<f64>().unwrap())
        }
        Value::Array(items) => items.into_iter().map(rounded).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, rounded(field)))
            .collect(),
        other => other,
    }
}
