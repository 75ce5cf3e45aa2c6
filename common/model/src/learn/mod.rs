//! What trains models: samples in, an artifact out.

mod columns;
mod error;
pub mod linear;
mod rank;

use domain::{ModelKind, Sample};

use crate::{Artifact, Predictor};
pub use error::LearnError;

/// How to train, whatever the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What random choices start from; a kind that makes none ignores it.
    pub seed: u64,
    /// With fewer training samples than this nothing is trained.
    pub min_rows: usize,
}

/// What training gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The model, byte-identical for the same samples in the same order and the same seed.
    pub artifact: Artifact,
    /// The learner's parameters, for the model's history.
    pub parameters: serde_json::Value,
}

/// Trains a model of `kind` on `samples`, which must hold no sample of the holdout.
///
/// # Errors
///
/// Where the samples are too few or too much alike to learn from, in words that say what to add.
pub fn train(kind: ModelKind, samples: &[Sample], settings: &Settings) -> Result<Trained, LearnError> {
    LearnError::unless_enough(samples.len(), settings.min_rows)?;
    let (predictor, parameters) = match kind {
        ModelKind::Linear => (Predictor::Linear(linear::fit(samples)?), linear::parameters()),
        ModelKind::Xgboost => return Err(LearnError::NoLearner(kind)),
    };
    Ok(Trained {
        artifact: Artifact::new(predictor),
        parameters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const SETTINGS: Settings = Settings {
        seed: 42,
        min_rows: 50,
    };

    #[test]
    fn the_same_samples_make_the_same_bytes() {
        let train = || {
            train(ModelKind::Linear, &fixture::samples(300), &SETTINGS)
                .unwrap()
                .artifact
                .to_bytes()
        };
        assert_eq!(train(), train());
    }

    #[test]
    fn what_was_trained_can_be_loaded() {
        let artifact = train(ModelKind::Linear, &fixture::samples(300), &SETTINGS)
            .unwrap()
            .artifact;
        assert_eq!(Artifact::load(&artifact.to_bytes()).unwrap(), artifact);
    }

    #[test]
    fn an_artifact_is_written_as_it_was() {
        let artifact = train(ModelKind::Linear, &fixture::samples(300), &SETTINGS)
            .unwrap()
            .artifact;
        let json = serde_json::from_slice(&artifact.to_bytes()).unwrap();
        insta::with_settings!({sort_maps => true}, {
            insta::assert_json_snapshot!(fixture::rounded(json));
        });
    }

    #[test]
    fn fewer_samples_than_asked_for_are_counted() {
        let error = train(ModelKind::Linear, &fixture::samples(49), &SETTINGS).unwrap_err();
        assert_eq!(
            error.to_string(),
            "too few training samples: there are 49 and at least 50 are needed; add data"
        );
    }
}
