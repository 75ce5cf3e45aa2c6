//! One absurd row among a thousand good ones, wherever it falls: it costs accuracy, not learning.

use domain::{
    DiamondHash, HoldoutHalf, ModelVersion, Price, Sample, Side, hash::InnerSide, verdict::Verdict,
};
use model::{
    Predictor,
    gate::{Challenger, Champion, GateRules, judge},
    learn::{Learner, Resources, Unwatched, elastic_net, make, xgboost},
    split,
};
use rstest::rstest;

use crate::stones;

const RULES: GateRules = GateRules {
    min_gain: 0.0,
    min_r2: 0.5,
};
/// The highest price that the default limits let in.
const ABSURD: f64 = 10_000_000.0;

/// Where the absurd row falls.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Fitting,
    Validation,
    Calibration,
    Checking,
}

fn place(sample: &Sample) -> Place {
    let hash = DiamondHash::of(&sample.diamond);
    match (hash.side(), hash.inner_side(), hash.holdout_half()) {
        (Side::Training, InnerSide::Fitting, _) => Place::Fitting,
        (Side::Training, InnerSide::Validation, _) => Place::Validation,
        (Side::Holdout, _, HoldoutHalf::Calibration) => Place::Calibration,
        (Side::Holdout, _, HoldoutHalf::Checking) => Place::Checking,
    }
}

fn trained(learner: &Learner, samples: &[Sample]) -> Predictor {
    let resources = Resources {
        min_rows: 50,
        threads: 1,
    };
    let made = make(learner, &split(samples), 42, &resources, &Unwatched).unwrap();
    made.artifact.into_parts().0
}

fn judged(challenger: &Predictor, champion: Option<&Predictor>, samples: &[Sample]) -> Verdict {
    let challenger = Challenger {
        trained: challenger,
        stored: Ok(challenger),
    };
    let champion = champion.map(|predictor| Champion {
        version: ModelVersion::FIRST,
        predictor: Ok(predictor),
        frozen: false,
    });
    let holdout = split(samples).halves().calibration;
    judge(challenger, champion, &holdout, &RULES).into_verdict(ModelVersion::FIRST.next())
}

/// F9: the first model is promoted though one row is absurd, and the challenger that clean data make later may be.
#[rstest]
fn one_absurd_row_keeps_no_model_from_becoming_champion(
    #[values(
        Learner::Linear,
        Learner::ElasticNet(elastic_net::Settings { penalty: 0.001, l1_ratio: 0.5 }),
        Learner::Xgboost(xgboost::Settings { trials: 8 })
    )]
    learner: Learner,
    #[values(Place::Fitting, Place::Validation, Place::Calibration, Place::Checking)] wanted: Place,
) {
    let mut samples = stones::samples(6_000);
    let absurd = samples.iter().position(|sample| place(sample) == wanted).unwrap();
    samples[absurd].price = Price::try_from(ABSURD).unwrap();
    let first = trained(&learner, &samples[..1_001]);
    let verdict = judged(&first, None, &samples[..1_001]);
    assert!(verdict.promoted, "{}", verdict.reason);

    let second = trained(&learner, &samples);
    let verdict = judged(&second, Some(&first), &samples);
    let failed: Vec<_> = verdict.checks.iter().filter(|check| !check.passed).collect();
    assert!(failed.is_empty(), "{failed:?}");
    // More data make the trees clearly better; least squares were nearly as good before.
    if matches!(learner, Learner::Xgboost(_)) {
        assert!(verdict.promoted, "{}", verdict.reason);
    }
}
