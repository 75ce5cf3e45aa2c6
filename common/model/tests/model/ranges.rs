//! Ranges on data that they were not made from.

use domain::{PartialDiamond, Price, Sample};
use model::{
    Predictor, Ranges, Split, Trained,
    learn::{Learner, Resources, Unwatched, make},
    split,
};

use crate::{
    boosted::{self, Recipe, SplitMix64},
    notebook,
};

const RECIPE: Recipe = Recipe {
    trees: 150,
    depth: 4,
    gamma: 0.0,
};

pub(crate) fn trees(training: &[Sample], recipe: Recipe) -> Predictor {
    let booster = boosted::train(&boosted::rows(training), training, recipe);
    let trained = Trained::trees(boosted::json(&booster).as_bytes(), training).unwrap();
    trained.predictor().clone()
}

pub(crate) fn linear(samples: &[Sample]) -> Predictor {
    let resources = Resources {
        min_rows: 100,
        threads: 1,
    };
    let made = make(&Learner::Linear, &split(samples), 42, &resources, &Unwatched).unwrap();
    made.artifact.into_parts().0
}

fn complete(diamond: PartialDiamond) -> PartialDiamond {
    diamond
}

fn masked(diamond: PartialDiamond) -> PartialDiamond {
    diamond.masked()
}

type Asked = fn(PartialDiamond) -> PartialDiamond;

/// The share of `samples` whose prices are within their ranges.
fn covered(predictor: &Predictor, ranges: &Ranges, samples: &[Sample], asked: Asked) -> f64 {
    let covers = |sample: &&Sample| {
        let diamond = asked(sample.diamond.into());
        let range = ranges.range(predictor, &diamond, predictor.predict(&diamond));
        let range = range.unwrap();
        (range.low..=range.high).contains(&sample.price.get())
    };
    samples.iter().filter(covers).count() as f64 / samples.len() as f64
}

/// Either half is a finite sample: calibrating adds its spread to that of the check.
fn check(name: &str, predictor: &Predictor, sides: &Split) {
    let halves = sides.halves();
    let ranges = Ranges::calibrate(predictor, &halves.calibration);
    let lengths = [halves.calibration.len(), halves.checking.len()];
    let variance: f64 = lengths.iter().map(|length| 0.09 / *length as f64).sum();
    let most = 3.0 * variance.sqrt();
    for (how, asked) in [("complete", complete as Asked), ("masked", masked)] {
        let share = covered(predictor, &ranges, &halves.checking, asked);
        println!(
            "{name}, {how}: {share:.4} of {}, give or take {most:.4}",
            lengths[1]
        );
        assert!(
            (share - 0.9).abs() < most,
            "{name}, {how}: {share:.4} of {}, and 3 standard deviations are {most:.4}",
            lengths[1]
        );
    }
}

#[test]
fn nine_prices_of_generated_samples_in_ten_are_in_their_ranges() {
    for seed in 0..4 {
        let samples = boosted::generated(6_000, seed);
        let sides = split(&samples);
        check("trees", &trees(&sides.training, RECIPE), &sides);
        check("linear", &linear(&samples), &sides);
    }
}

#[test]
fn nine_prices_of_the_shared_data_in_ten_are_in_their_ranges() {
    let Some(samples) = notebook::samples() else {
        return;
    };
    let sides = split(&samples);
    check("trees", &trees(&sides.training, RECIPE), &sides);
    check("linear", &linear(&samples), &sides);
}

/// The halves of one holdout could be lucky: halve the same holdout in many ways.
#[test]
fn ranges_hold_on_average_over_many_halves_of_the_shared_holdout() {
    let Some(samples) = notebook::samples() else {
        return;
    };
    let sides = split(&samples);
    let mut random = SplitMix64(1);
    for predictor in [trees(&sides.training, RECIPE), linear(&samples)] {
        for asked in [complete as Asked, masked] {
            let mut share = || {
                let (calibration, checking): (Vec<Sample>, Vec<Sample>) =
                    sides.holdout.iter().partition(|_| random.unit() < 0.5);
                let ranges = Ranges::calibrate(&predictor, &calibration);
                covered(&predictor, &ranges, &checking, asked)
            };
            let mean = (0..100).map(|_| share()).sum::<f64>() / 100.0;
            assert!((0.895..0.91).contains(&mean), "{mean}");
        }
    }
}

/// Whichever is wider: calibrated on prices that the model hits exactly when asked about complete diamonds, the range
/// of masked ones is, and the other way about.
#[test]
fn some_measures_get_the_wider_of_the_two_ranges() {
    let sides = split(&boosted::generated(4_000, 3));
    let predictor = trees(&sides.training, RECIPE);
    for exact in [complete as Asked, masked] {
        let hit = |sample: &Sample| Sample {
            price: Price::try_from(predictor.predict(&exact(sample.diamond.into()))).unwrap(),
            ..*sample
        };
        let calibration: Vec<Sample> = sides.holdout.iter().map(hit).collect();
        let ranges = Ranges::calibrate(&predictor, &calibration);
        let high = |diamond: &PartialDiamond| ranges.range(&predictor, diamond, 1_000.0).unwrap().high;
        let all = PartialDiamond::from(sides.holdout[0].diamond);
        let some = PartialDiamond { z: None, ..all };
        assert_eq!(high(&exact(all)), 1_000.0);
        assert!(high(&some) > 1_000.0);
        assert_eq!(high(&some), high(&all).max(high(&all.masked())));
    }
}
