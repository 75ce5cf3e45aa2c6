//! Gradient-boosted trees: the price is a base score and one leaf of every tree, summed.
//!
//! The model is written down in XGBoost's own JSON. Beside it stands what training saw, and what
//! stands in for a measure that a caller does not give: the trees could walk without it, but learnt
//! from complete diamonds only, so where they would send a missing value means nothing.

mod fault;
mod forest;
mod form;
mod layout;
mod one_by_one;
mod questions;
mod shap;
#[cfg(target_arch = "x86_64")]
mod side_by_side;
#[cfg(test)]
mod testing;
mod tree;

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
use form::BoosterForm;
pub use shap::Contributions;

/// A tree that asks more questions on one way than this is not read.
pub const MAX_DEPTH: u32 = 12;
/// At most this many leaves are held, each tree counted as a complete one: 132 MiB.
pub const MAX_PLACES: usize = 1 << 24;

/// Boosted trees, ready to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeModel {
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
    NotUtf8(#[from] std::str::Utf8Error),
    /// There is nothing to estimate missing measures from.
    #[error("there are no training samples")]
    NoSamples,
}

impl TreeModel {
    /// The model that `booster`, XGBoost's own JSON, became by training on `samples`.
    #[cfg(any(test, feature = "learners"))]
    pub(crate) fn new(booster: &str, samples: &[Sample]) -> Result<Self, TreeModelError> {
        Ok(Self {
            forest: Forest::read(booster)?,
            missing: MissingMeasures::fit(samples).ok_or(TreeModelError::NoSamples)?,
            trained_on: TrainedOn::over(samples).ok_or(TreeModelError::NoSamples)?,
        })
    }

    /// How the model that `booster` became is written.
    #[cfg(any(test, feature = "learners"))]
    pub(crate) fn written<'m>(&'m self, booster: &'m str) -> Result<Written<'m>, ForestError> {
        Ok(TreeModelForm {
            booster: serde_json::from_str(booster).map_err(ForestError::Malformed)?,
            missing: &self.missing,
            trained_on: &self.trained_on,
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

    pub(crate) fn trained_on(&self) -> &TrainedOn {
        &self.trained_on
    }

    fn row(&self, diamond: &PartialDiamond) -> [f32; 9] {
        let mut row = features::row(diamond);
        self.missing.fill(&mut row, diamond);
        row
    }
}

/// How the model is written down: the booster in XGBoost's JSON, byte for byte.
#[derive(Serialize, Deserialize)]
pub(crate) struct TreeModelForm<B, M, T> {
    booster: B,
    missing: M,
    trained_on: T,
}

/// A model in writing.
#[cfg(any(test, feature = "learners"))]
pub(crate) type Written<'m> = TreeModelForm<&'m RawValue, &'m MissingMeasures, &'m TrainedOn>;

/// XGBoost's JSON in a model that is written down as JSON.
#[derive(Deserialize)]
struct BoosterAlone<'j> {
    #[serde(borrow)]
    booster: &'j RawValue,
}

/// The booster in a model that is written down as `json`, as it stands there: XGBoost itself loads it.
pub(crate) fn booster(json: &str) -> Result<&str, serde_json::Error> {
    let alone: BoosterAlone<'_> = serde_json::from_str(json)?;
    Ok(alone.booster.get())
}

impl<'de> Deserialize<'de> for TreeModel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form: TreeModelForm<BoosterForm, MissingMeasures, TrainedOn> =
            TreeModelForm::deserialize(deserializer)?;
        Ok(Self {
            forest: Forest::of(form.booster).map_err(|error| D::Error::custom(chain(&error)))?,
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
