//! The predictors there are.

use domain::{ModelKind, PartialDiamond};
use serde::{Deserialize, Serialize};

use crate::{linear::LinearModel, range::TrainedOn};

/// A model of any kind, ready to predict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Predictor {
    /// Least squares on the logarithm of the price.
    Linear(LinearModel),
}

impl Predictor {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Linear(_) => ModelKind::Linear,
        }
    }

    /// The price of `diamond`, in US dollars. Infinite or zero where its features are so absurd
    /// that the number does not fit.
    #[must_use]
    pub fn predict(&self, diamond: &PartialDiamond) -> f64 {
        match self {
            Self::Linear(model) => model.predict(diamond),
        }
    }

    /// The names of the features in which `diamond` is unlike every training sample: a number
    /// outside their range, a grade that none of them has.
    #[must_use]
    pub fn unusual(&self, diamond: &PartialDiamond) -> Vec<&'static str> {
        match self {
            Self::Linear(model) => model.unusual(diamond),
        }
    }

    /// The ranges of the training samples.
    pub(crate) fn trained_on(&self) -> &TrainedOn {
        match self {
            Self::Linear(model) => model.trained_on(),
        }
    }
}
