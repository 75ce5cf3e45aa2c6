//! Gradient-boosted trees: the price is a base score and one leaf of every tree, summed.
//!
//! The model is XGBoost's own JSON, kept as it is. Beside it stands what training saw, and what
//! stands in for a measure that a caller does not give: the trees could walk without it, but learnt
//! from complete diamonds only, so where they would send a missing value means nothing.

mod fault;
mod forest;
mod form;
mod shap;
#[cfg(test)]
mod testing;
mod tree;
mod walk;

use domain::PartialDiamond;
#[cfg(any(test, feature = "learners"))]
use domain::Sample;
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::value::RawValue;

use crate::{
    estimate::MissingMeasures,
    features,
    range::TrainedOn,
    reasons::{Explanation, explanation},
};
pub use fault::{ForestError, TreeFault};
pub use forest::Forest;
pub use shap::Contributions;

/// A tree that asks more questions on one way than this is not read.
pub const MAX_DEPTH: u32 = 12;
/// At most this many leaves are held, each tree counted as a complete one: 132 MiB.
pub const MAX_PLACES: usize = 1 << 24;

/// Boosted trees as XGBoost wrote them, ready to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeModel {
    /// XGBoost's JSON, byte for byte.
    booster: Box<str>,
    forest: Forest,
    missing: MissingMeasures,
    trained_on: TrainedOn,
}

/// Why a booster and its samples are no model.
#[cfg(any(test, feature = "learners"))]
#[derive(Debug, thiserror::Error)]
pub enum TreeModelError {
    /// The booster cannot be read.
    #[error("the booster cannot be read")]
    Forest(#[from] ForestError),
    /// The booster is no text.
    #[error("the booster is not UTF-8")]
    NotUtf8(#[from] std::string::FromUtf8Error),
    /// There is nothing to estimate missing measures from.
    #[error("there are no training samples")]
    NoSamples,
}

impl TreeModel {
    /// The model that `booster`, a model as XGBoost saves it in JSON, became by training on `samples`.
    ///
    /// # Errors
    ///
    /// Where the booster cannot be read, or there are no samples.
    #[cfg(any(test, feature = "learners"))]
    pub fn new(booster: Vec<u8>, samples: &[Sample]) -> Result<Self, TreeModelError> {
        let booster = String::from_utf8(booster)?.into_boxed_str();
        Ok(Self {
            forest: Forest::read(&booster)?,
            missing: MissingMeasures::fit(samples).ok_or(TreeModelError::NoSamples)?,
            trained_on: TrainedOn::over(samples).ok_or(TreeModelError::NoSamples)?,
            booster,
        })
    }

    /// The price of `diamond`, in US dollars; measures that are not given are estimated: x, y and z
    /// from the weight, depth and table as the medians of training.
    #[must_use]
    pub fn predict(&self, diamond: &PartialDiamond) -> f64 {
        f64::from(self.forest.predict(&self.row(diamond)))
    }

    /// What the price of `diamond` is made of, estimated measures included.
    #[must_use]
    pub fn explain(&self, diamond: &PartialDiamond) -> Option<Explanation> {
        let row = self.row(diamond);
        let Contributions { base, effects } = self.forest.contributions(&row);
        let effects: Vec<_> = features::NAMES.into_iter().zip(effects).collect();
        explanation(diamond, f64::from(self.forest.predict(&row)), base, &effects)
    }

    /// The names of the features in which `diamond` is unlike every training sample. A missing
    /// measure is not unusual.
    #[must_use]
    pub fn unusual(&self, diamond: &PartialDiamond) -> Vec<&'static str> {
        self.trained_on.unusual(diamond)
    }

    /// The model as XGBoost wrote it: JSON that XGBoost itself loads.
    #[must_use]
    pub fn booster(&self) -> &str {
        &self.booster
    }

    pub(crate) fn trained_on(&self) -> &TrainedOn {
        &self.trained_on
    }

    fn row(&self, diamond: &PartialDiamond) -> [f32; 9] {
        let mut row = features::row(diamond);
        self.missing.fill(&mut row, diamond);
        row
    }
}

/// How the model is written down.
#[derive(Serialize, Deserialize)]
struct TreeModelForm<B, M, T> {
    booster: B,
    missing: M,
    trained_on: T,
}

impl Serialize for TreeModel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // It was read as JSON, so it is JSON.
        let booster: &RawValue = serde_json::from_str(&self.booster).map_err(serde::ser::Error::custom)?;
        let form = TreeModelForm {
            booster,
            missing: &self.missing,
            trained_on: &self.trained_on,
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TreeModel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form: TreeModelForm<Box<RawValue>, MissingMeasures, TrainedOn> =
            TreeModelForm::deserialize(deserializer)?;
        let booster = Box::<str>::from(form.booster);
        Ok(Self {
            forest: Forest::read(&booster).map_err(|error| D::Error::custom(chain(&error)))?,
            booster,
            missing: form.missing,
            trained_on: form.trained_on,
        })
    }
}

/// `error` and its causes in one line, for serde keeps a text only.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
