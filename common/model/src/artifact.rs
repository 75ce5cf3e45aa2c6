//! The artifact: a model as plain JSON, the same bytes for the same model.
//!
//! It holds no time, no id and no code version. Floats are written in their shortest form that
//! reads back exactly.

use domain::ModelKind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Predictor, golden::Golden, ranges::Ranges, trees};
#[cfg(any(test, feature = "learners"))]
use crate::{Trained, golden};

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 2;

/// A model with its ranges, checked by its golden predictions, and the JSON of all that.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    predictor: Predictor,
    ranges: Ranges,
    json: Vec<u8>,
}

/// What the JSON holds.
#[derive(Serialize, Deserialize)]
struct ArtifactForm<P, R> {
    format_version: u32,
    predictor: P,
    ranges: R,
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

/// The model in an artifact, unread.
#[derive(Deserialize)]
struct Unread<'j> {
    format_version: u32,
    #[serde(borrow)]
    predictor: UnreadPredictor<'j>,
}

#[derive(Deserialize)]
struct UnreadPredictor<'j> {
    kind: ModelKind,
    #[serde(borrow)]
    model: &'j RawValue,
}

impl Artifact {
    /// The artifact of a model whose ranges were calibrated; byte-identical for the same model.
    #[cfg(any(test, feature = "learners"))]
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "no key of it is other than text, and nothing else fails in memory"
    )]
    pub fn new(trained: Trained, ranges: Ranges) -> Self {
        let (predictor, written) = trained.into_parts();
        let diamonds = golden::diamonds(predictor.trained_on()).into_iter();
        let golden = diamonds.map(|diamond| Golden::of(diamond, &predictor, &ranges));
        let form = ArtifactForm {
            format_version: FORMAT_VERSION,
            golden: golden.collect(),
            predictor: written,
            ranges: &ranges,
        };
        let json = serde_json::to_vec(&form).expect("an artifact is plain data");
        Self {
            predictor,
            ranges,
            json,
        }
    }

    /// Reads an artifact and checks that it predicts what it says.
    ///
    /// # Errors
    ///
    /// Where `json` is no artifact of this [`FORMAT_VERSION`], its numbers are not finite or its
    /// grades not known and unique, or a golden prediction differs in any bit.
    pub fn load(json: Vec<u8>) -> Result<Self, ArtifactError> {
        let form: ArtifactForm<Predictor, Ranges> =
            serde_json::from_slice(&json).map_err(|error| why_unread(&json, error))?;
        check_version(form.format_version)?;
        check_golden(&form)?;
        Ok(Self {
            predictor: form.predictor,
            ranges: form.ranges,
            json,
        })
    }

    /// The model in an artifact, in its kind's own open form: coefficients by name, or the JSON that XGBoost loads. It is
    /// not checked what the model predicts, as [`load`](Self::load) does.
    ///
    /// # Errors
    ///
    /// Where `json` is no artifact of this [`FORMAT_VERSION`], or of no known kind.
    pub fn open_form(json: &[u8]) -> Result<&str, ArtifactError> {
        let unread: Unread<'_> = serde_json::from_slice(json).map_err(|error| why_unread(json, error))?;
        check_version(unread.format_version)?;
        let model = unread.predictor.model.get();
        match unread.predictor.kind {
            ModelKind::Linear | ModelKind::ElasticNet => Ok(model),
            ModelKind::Xgboost => trees::booster(model).map_err(ArtifactError::Malformed),
        }
    }

    /// The artifact as it is kept.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The model.
    #[must_use]
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// The model, its ranges, and the artifact as it is kept.
    #[must_use]
    pub fn into_parts(self) -> (Predictor, Ranges, Vec<u8>) {
        (self.predictor, self.ranges, self.json)
    }
}

fn check_golden(form: &ArtifactForm<Predictor, Ranges>) -> Result<(), ArtifactError> {
    if form.golden.is_empty() {
        return Err(ArtifactError::NoGolden);
    }
    for (position, golden) in form.golden.iter().enumerate() {
        let found = Golden::of(golden.diamond, &form.predictor, &form.ranges);
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
    use std::error::Error as _;

    use super::*;
    use crate::{fixture, linear::LinearForm};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn made(form: LinearForm) -> Artifact {
        let trained = Trained::linear(form.try_into().unwrap());
        let ranges = Ranges::calibrate(trained.predictor(), &fixture::samples(200));
        Artifact::new(trained, ranges)
    }

    fn artifact() -> Artifact {
        made(fixture::linear_form())
    }

    fn changed(pointer: &str, value: Value) -> Vec<u8> {
        let mut json: Value = serde_json::from_slice(artifact().json()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        json.to_string().into_bytes()
    }

    #[test]
    fn an_artifact_comes_back_from_its_bytes_exactly() {
        let loaded = Artifact::load(artifact().json().to_vec()).unwrap();
        assert_eq!(loaded, artifact());
    }

    #[test]
    fn another_format_version_is_refused_by_name() {
        let error = Artifact::load(br#"{"format_version":1,"tensors":[]}"#.to_vec()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the artifact has format version 1, and this program reads version 2 only"
        );
    }

    #[test]
    fn a_coefficient_changed_in_its_last_digit_is_noticed() {
        let bytes = changed("/predictor/model/intercept", json!(1.000_000_000_000_002));
        assert!(matches!(
            Artifact::load(bytes),
            Err(ArtifactError::Golden { position: 0, .. })
        ));
    }

    #[test]
    fn a_range_changed_in_its_last_digits_is_noticed() {
        let json: Value = serde_json::from_slice(artifact().json()).unwrap();
        for which in ["complete", "masked"] {
            let pointer = format!("/ranges/{which}/quantile");
            let quantile = json.pointer(&pointer).unwrap().as_f64().unwrap();
            let error = Artifact::load(changed(&pointer, json!(quantile * (1.0 + 1e-14)))).unwrap_err();
            assert!(matches!(error, ArtifactError::Golden { .. }), "{error}");
        }
    }

    #[test]
    fn a_range_that_turns_around_is_refused() {
        assert!(matches!(
            Artifact::load(changed("/ranges/masked/quantile", json!(-0.1))),
            Err(ArtifactError::Malformed(_))
        ));
    }

    #[test]
    fn an_artifact_without_golden_predictions_is_refused() {
        assert!(matches!(
            Artifact::load(changed("/golden", json!([]))),
            Err(ArtifactError::NoGolden)
        ));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        let error = Artifact::load(changed("/predictor/kind", json!("oracle"))).unwrap_err();
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
        let mut form = fixture::linear_form();
        form.intercept = 1000.0;
        let loaded = Artifact::load(made(form).json().to_vec());
        assert!(matches!(loaded, Err(ArtifactError::Malformed(_))));
    }

    #[test]
    fn the_open_form_is_the_model_as_the_artifact_holds_it() {
        let artifact = artifact();
        let json: Value = serde_json::from_slice(artifact.json()).unwrap();
        let open_form: Value = serde_json::from_str(Artifact::open_form(artifact.json()).unwrap()).unwrap();
        assert_eq!(open_form, json["predictor"]["model"]);
    }

    #[test]
    fn there_is_no_open_form_of_another_version_or_kind_or_without_its_booster() {
        let refused = |json: &[u8]| {
            let error = Artifact::open_form(json).unwrap_err();
            format!(
                "{error}: {}",
                error.source().map_or(String::new(), ToString::to_string)
            )
        };
        assert!(refused(br#"{"format_version":1}"#).starts_with("the artifact has format version 1"));
        let of_kind = |kind| refused(&changed("/predictor/kind", json!(kind)));
        assert!(
            of_kind("oracle").contains("unknown variant `oracle`"),
            "{}",
            of_kind("oracle")
        );
        assert!(
            of_kind("xgboost").contains("missing field `booster`"),
            "{}",
            of_kind("xgboost")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_open_form_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Artifact::open_form(&bytes).is_err());
        }

        #[test]
        fn every_coefficient_survives_bit_for_bit(intercept in -50.0..50.0, effect in -1.0..1.0) {
            let mut form = fixture::linear_form();
            form.intercept = intercept;
            form.cut.effects.insert(domain::Cut::Ideal, effect);
            let artifact = made(form);
            prop_assert_eq!(Artifact::load(artifact.json().to_vec()).unwrap(), artifact);
        }

        #[test]
        fn no_bytes_make_loading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Artifact::load(bytes).is_err());
        }

        #[test]
        fn a_cut_off_artifact_is_refused(share in 0.0..1.0) {
            let mut json = artifact().json().to_vec();
            json.truncate((json.len() as f64 * share) as usize);
            prop_assert!(Artifact::load(json).is_err());
        }
    }
}
