//! The artifact: a model as plain JSON, the same bytes for the same model.
//!
//! It holds no time, no id and no code version. Floats are written in their shortest form that
//! reads back exactly.

use serde::{Deserialize, Serialize};

use crate::{
    Predictor,
    golden::{self, Golden},
    ranges::Ranges,
};

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 2;

/// A model with its golden predictions: either just made, or loaded and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    format_version: u32,
    predictor: Predictor,
    ranges: Ranges,
    golden: Vec<Golden>,
}

/// Why bytes are not used as a model.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not JSON, or not of the right shape, or its numbers or grades are impossible.
    #[error("the artifact cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// Written in another version of the format.
    #[error("the artifact has format version {found}, and this program reads version {FORMAT_VERSION} only")]
    FormatVersion {
        /// The version that it names.
        found: u32,
    },
    /// There is nothing to check its predictions by.
    #[error("the artifact holds no golden predictions to check it by")]
    NoGolden,
    /// It predicts something else here than where it was made.
    #[error(
        "the artifact says {expected} US dollars for its golden diamond {position}, and predicts {predicted} here"
    )]
    Golden {
        /// Place of the diamond in the artifact, from 0.
        position: usize,
        /// The price that the artifact holds, in US dollars.
        expected: f64,
        /// The price that it predicts, in US dollars; where it is the same, the range differs.
        predicted: f64,
    },
}

/// The part of an artifact that every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    format_version: u32,
}

impl Artifact {
    /// The artifact of `predictor`, whose ranges were calibrated.
    #[must_use]
    pub fn new(predictor: Predictor, ranges: Ranges) -> Self {
        let diamonds = golden::diamonds(predictor.trained_on()).into_iter();
        let golden = diamonds.map(|diamond| Golden::of(diamond, &predictor, &ranges));
        Self {
            format_version: FORMAT_VERSION,
            golden: golden.collect(),
            predictor,
            ranges,
        }
    }

    /// The artifact as JSON; byte-identical for the same model.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "no key of it is other than text, and nothing else fails in memory"
    )]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an artifact is plain data")
    }

    /// Reads an artifact and checks that it predicts what it says.
    ///
    /// # Errors
    ///
    /// Where `bytes` are no artifact of this [`FORMAT_VERSION`], its numbers are not finite or its
    /// grades not known and unique, or a golden prediction differs in any bit.
    pub fn load(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let artifact: Self = serde_json::from_slice(bytes).map_err(|error| why_unread(bytes, error))?;
        check_version(artifact.format_version)?;
        artifact.check_golden()?;
        Ok(artifact)
    }

    /// The model.
    #[must_use]
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// The model and its ranges, without its golden predictions.
    #[must_use]
    pub fn into_parts(self) -> (Predictor, Ranges) {
        (self.predictor, self.ranges)
    }

    /// The model, without its ranges and golden predictions.
    #[must_use]
    pub fn into_predictor(self) -> Predictor {
        self.predictor
    }

    fn check_golden(&self) -> Result<(), ArtifactError> {
        if self.golden.is_empty() {
            return Err(ArtifactError::NoGolden);
        }
        for (position, golden) in self.golden.iter().enumerate() {
            let found = Golden::of(golden.diamond, &self.predictor, &self.ranges);
            if !found.agrees(golden) {
                return Err(ArtifactError::Golden {
                    position,
                    expected: golden.price,
                    predicted: found.price,
                });
            }
        }
        Ok(())
    }
}

/// Another version has another shape: then that is the reason.
fn why_unread(bytes: &[u8], error: serde_json::Error) -> ArtifactError {
    let other = serde_json::from_slice(bytes)
        .ok()
        .and_then(|versioned: Versioned| check_version(versioned.format_version).err());
    other.unwrap_or(ArtifactError::Malformed(error))
}

fn check_version(found: u32) -> Result<(), ArtifactError> {
    if found == FORMAT_VERSION {
        Ok(())
    } else {
        Err(ArtifactError::FormatVersion { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn made(predictor: Predictor) -> Artifact {
        let ranges = Ranges::calibrate(&predictor, &fixture::samples(200));
        Artifact::new(predictor, ranges)
    }

    fn artifact() -> Artifact {
        made(fixture::predictor(1.0))
    }

    fn changed(pointer: &str, value: Value) -> Vec<u8> {
        let mut json: Value = serde_json::from_slice(&artifact().to_bytes()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        json.to_string().into_bytes()
    }

    #[test]
    fn an_artifact_comes_back_from_its_bytes_exactly() {
        let bytes = artifact().to_bytes();
        let loaded = Artifact::load(&bytes).unwrap();
        assert_eq!(loaded, artifact());
        assert_eq!(loaded.to_bytes(), bytes);
    }

    #[test]
    fn another_format_version_is_refused_by_name() {
        let error = Artifact::load(br#"{"format_version":1,"tensors":[]}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the artifact has format version 1, and this program reads version 2 only"
        );
    }

    #[test]
    fn a_coefficient_changed_in_its_last_digit_is_noticed() {
        let bytes = changed("/predictor/model/intercept", json!(1.000_000_000_000_002));
        assert!(matches!(
            Artifact::load(&bytes),
            Err(ArtifactError::Golden { position: 0, .. })
        ));
    }

    #[test]
    fn a_range_changed_in_its_last_digits_is_noticed() {
        let json: Value = serde_json::from_slice(&artifact().to_bytes()).unwrap();
        for which in ["complete", "masked"] {
            let pointer = format!("/ranges/{which}/quantile");
            let quantile = json.pointer(&pointer).unwrap().as_f64().unwrap();
            let error = Artifact::load(&changed(&pointer, json!(quantile * (1.0 + 1e-14)))).unwrap_err();
            assert!(matches!(error, ArtifactError::Golden { .. }), "{error}");
        }
    }

    #[test]
    fn a_range_that_turns_around_is_refused() {
        assert!(matches!(
            Artifact::load(&changed("/ranges/masked/quantile", json!(-0.1))),
            Err(ArtifactError::Malformed(_))
        ));
    }

    #[test]
    fn an_artifact_without_golden_predictions_is_refused() {
        assert!(matches!(
            Artifact::load(&changed("/golden", json!([]))),
            Err(ArtifactError::NoGolden)
        ));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        let error = Artifact::load(&changed("/predictor/kind", json!("oracle"))).unwrap_err();
        let ArtifactError::Malformed(source) = error else {
            panic!("{error}")
        };
        assert!(
            source.to_string().starts_with("unknown variant `oracle`"),
            "{source}"
        );
    }

    #[test]
    fn a_price_that_is_not_finite_is_refused() {
        let bytes = made(fixture::predictor(f64::MAX)).to_bytes();
        assert!(matches!(Artifact::load(&bytes), Err(ArtifactError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn every_coefficient_survives_bit_for_bit(intercept in -50.0..50.0, effect in -1.0..1.0) {
            let mut form = fixture::linear_form();
            form.intercept = intercept;
            form.cut.effects.insert(domain::Cut::Ideal, effect);
            let artifact = made(Predictor::Linear(form.try_into().unwrap()));
            prop_assert_eq!(Artifact::load(&artifact.to_bytes()).unwrap(), artifact);
        }

        #[test]
        fn no_bytes_make_loading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Artifact::load(&bytes).is_err());
        }

        #[test]
        fn a_cut_off_artifact_is_refused(share in 0.0..1.0) {
            let bytes = artifact().to_bytes();
            let kept = (bytes.len() as f64 * share) as usize;
            prop_assert!(Artifact::load(&bytes[..kept]).is_err());
        }
    }
}
