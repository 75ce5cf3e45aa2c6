//! From all samples of a dataset version to an artifact and its metrics.

use domain::{
    Sample,
    metrics::{FitPoint, Masked, Metrics, Validation},
    run::Trial,
};
use serde_json::Value;

use super::{LearnError, Learner, Resources, Watch};
use crate::{
    Artifact, Predictor, Ranges, Split,
    coverage::coverage,
    score::{score, score_asked},
};

/// How many points of the goodness of fit are kept.
const FIT_POINTS: usize = 200;

/// What training gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The model, byte-identical for the same samples in the same order, the same learner and the same seed.
    pub artifact: Artifact,
    /// The parameters that the learner came to, for the model's history.
    pub parameters: Value,
    /// How well the model does.
    pub metrics: Metrics,
    /// Every trial of its search; none where it does not search.
    pub trials: Vec<Trial>,
}

/// Trains on the training side, and measures on the holdout.
///
/// # Errors
///
/// Where the samples are too few or too much alike to learn from, in words that say what to add.
pub fn make(
    learner: &Learner,
    sides: &Split,
    seed: u64,
    resources: &Resources,
    watch: &dyn Watch,
) -> Result<Made, LearnError> {
    LearnError::unless_enough(sides.training.len(), resources.min_rows)?;
    let fitted = learner.fit(&sides.training, seed, resources, watch)?;
    let predictor = fitted.trained.predictor();
    let halves = sides.halves();
    let ranges = Ranges::calibrate(predictor, &halves.calibration);
    let metrics = metrics(predictor, &ranges, sides, &halves.checking, fitted.validation);
    Ok(Made {
        metrics: metrics.ok_or(LearnError::NoHoldout)?,
        artifact: Artifact::new(fitted.trained, ranges),
        parameters: fitted.parameters,
        trials: fitted.trials,
    })
}

/// How well a model does; none where a side is empty.
fn metrics(
    predictor: &Predictor,
    ranges: &Ranges,
    sides: &Split,
    checking: &[Sample],
    validation: Option<Validation>,
) -> Option<Metrics> {
    let masked = Masked {
        holdout: score_asked(predictor, &sides.holdout, |diamond| diamond.masked())?,
        coverage: coverage(predictor, ranges, checking, |diamond| diamond.masked()),
    };
    Some(Metrics {
        holdout: score(predictor, &sides.holdout)?,
        validation,
        train: score(predictor, &sides.training)?,
        coverage: coverage(predictor, ranges, checking, |diamond| diamond),
        masked: Some(masked),
        fit: fit_points(predictor, &sides.holdout),
    })
}

/// Every so many samples, so that there are at most [`FIT_POINTS`].
fn fit_points(predictor: &Predictor, holdout: &[Sample]) -> Vec<FitPoint> {
    let step = holdout.len().div_ceil(FIT_POINTS).max(1);
    let point = |sample: &Sample| FitPoint {
        price: sample.price.get(),
        predicted: predictor.predict(&sample.diamond.into()),
    };
    let points = holdout.iter().step_by(step).map(point);
    points.filter(|point| point.predicted.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        learn::{Unwatched, elastic_net, xgboost},
        split,
    };
    use domain::{ModelKind, PartialDiamond, cents};

    const RESOURCES: Resources = Resources {
        min_rows: 50,
        threads: 1,
    };

    fn made(samples: usize) -> Result<Made, LearnError> {
        make(
            &Learner::Linear,
            &split(&fixture::samples(samples)),
            42,
            &RESOURCES,
            &Unwatched,
        )
    }

    /// One learner of each kind.
    fn learners() -> Vec<Learner> {
        let learner = |kind: &ModelKind| match kind {
            ModelKind::Linear => Learner::Linear,
            ModelKind::Xgboost => Learner::Xgboost(xgboost::Settings { trials: 2 }),
            ModelKind::ElasticNet => Learner::ElasticNet(elastic_net::Settings {
                penalty: 0.001,
                l1_ratio: 0.5,
            }),
        };
        ModelKind::ALL.iter().map(learner).collect()
    }

    #[test]
    fn a_model_of_every_kind_comes_back_from_its_bytes_and_its_reasons_add_up() {
        for learner in learners() {
            let samples = fixture::samples(400);
            let made = make(&learner, &split(&samples), 42, &RESOURCES, &Unwatched).unwrap();
            let artifact = Artifact::load(made.artifact.json().to_vec()).unwrap();
            assert!(artifact == made.artifact, "{learner:?}");
            assert!(Artifact::open_form(artifact.json()).is_ok(), "{learner:?}");
            let (predictor, ..) = artifact.into_parts();
            assert_eq!(predictor.kind(), learner.kind());
            for sample in &samples {
                for diamond in [
                    sample.diamond.into(),
                    PartialDiamond::from(sample.diamond).masked(),
                ] {
                    let told = predictor.explain(&diamond).unwrap();
                    let effects = told.reasons.iter().map(|reason| reason.effect);
                    let sum = cents::of(told.base + effects.sum::<f64>());
                    assert_eq!(
                        sum,
                        cents::of(predictor.predict(&diamond)),
                        "{learner:?} {diamond:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_same_samples_make_the_same_bytes() {
        let bytes = || made(400).unwrap().artifact.json().to_vec();
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn an_artifact_is_written_as_it_was() {
        let artifact = made(400).unwrap().artifact;
        let json = serde_json::from_slice(artifact.json()).unwrap();
        insta::with_settings!({sort_maps => true}, {
            insta::assert_json_snapshot!(fixture::rounded(json));
        });
    }

    #[test]
    fn fewer_samples_than_asked_for_are_counted() {
        let error = made(50).unwrap_err().to_string();
        assert!(
            error.starts_with("too few training samples: there are")
                && error.ends_with("at least 50 are needed; add data"),
            "{error}"
        );
    }
}
