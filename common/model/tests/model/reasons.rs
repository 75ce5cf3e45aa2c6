//! Reasons that add up, on every diamond of a holdout.

use domain::{PartialDiamond, Sample, cents};
use model::{Predictor, split};

use crate::{
    boosted::{self, Recipe},
    notebook,
    ranges::{linear, trees},
};

const RECIPE: Recipe = Recipe {
    trees: 300,
    depth: 5,
    gamma: 0.0,
};

#[track_caller]
fn assert_reasons_add_up(predictor: &Predictor, diamond: &PartialDiamond) {
    let explanation = predictor.explain(diamond).unwrap();
    let whole = |dollars: f64| {
        let cents = cents::of(dollars).unwrap();
        assert_eq!(
            cents::dollars(cents),
            dollars,
            "{explanation:?} is not in whole cents"
        );
        cents
    };
    let effects: i64 = explanation
        .reasons
        .iter()
        .map(|reason| whole(reason.effect))
        .sum();
    let price = predictor.predict(diamond);
    assert_eq!(
        whole(explanation.base) + effects,
        cents::of(price).unwrap(),
        "{explanation:?} is no {price} for {diamond:?}"
    );
    let sizes = explanation.reasons.iter().map(|reason| reason.effect.abs());
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{explanation:?}");
}

fn check(samples: &[Sample]) {
    let sides = split(samples);
    for predictor in [trees(&sides.training, RECIPE), linear(samples)] {
        for sample in &sides.holdout {
            let complete = PartialDiamond::from(sample.diamond);
            assert_reasons_add_up(&predictor, &complete);
            assert_reasons_add_up(&predictor, &complete.masked());
        }
    }
}

#[test]
fn reasons_of_generated_diamonds_add_up_to_the_cent() {
    check(&boosted::generated(3_000, 1));
}

#[test]
fn reasons_of_the_shared_data_add_up_to_the_cent() {
    let Some(samples) = notebook::samples() else {
        return;
    };
    check(&samples);
}

#[test]
fn the_base_is_the_same_for_every_diamond_and_the_size_of_heavy_ones_is_their_first_reason() {
    let samples = boosted::generated(3_000, 2);
    for predictor in [trees(&samples, RECIPE), linear(&samples)] {
        let explain = |sample: &Sample| predictor.explain(&sample.diamond.into()).unwrap();
        let base = explain(&samples[0]).base;
        assert!(samples[..200].iter().all(|sample| explain(sample).base == base));
        let weight = |sample: &&Sample| (sample.diamond.carat.get() * 100.0) as u64;
        let first = explain(samples.iter().max_by_key(weight).unwrap())
            .reasons
            .remove(0);
        assert!(
            ["carat", "x", "y", "z"].contains(&first.feature) && first.effect > 0.0,
            "{first:?}"
        );
    }
}
