//! The predictors there are.

use domain::{ModelKind, PartialDiamond};
use serde::Deserialize;

use crate::{linear::LinearModel, range::TrainedOn, reasons::Explanation, trees::TreeModel};

/// A model of any kind, ready to predict.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", content = "model", rename_all = "snake_case")]
pub enum Predictor {
    /// Least squares on the logarithm of the price.
    Linear(LinearModel),
    /// Gradient-boosted trees on the price.
    Xgboost(Box<TreeModel>),
    /// Least squares on the logarithm of the price, the coefficients pulled towards 0.
    ElasticNet(LinearModel),
}

impl Predictor {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Linear(_) => ModelKind::Linear,
            Self::Xgboost(_) => ModelKind::Xgboost,
            Self::ElasticNet(_) => ModelKind::ElasticNet,
        }
    }

    /// The price of `diamond`, in US dollars. Infinite or zero where its features are so absurd
    /// that the number does not fit.
    #[must_use]
    pub fn predict(&self, diamond: &PartialDiamond) -> f64 {
        match self {
            Self::Linear(model) | Self::ElasticNet(model) => model.predict(diamond),
            Self::Xgboost(model) => model.predict(diamond),
        }
    }

    /// The names of the features in which `diamond` is unlike every training sample: a number
    /// outside their range, a grade that none of them has.
    #[must_use]
    pub fn unusual(&self, diamond: &PartialDiamond) -> Vec<&'static str> {
        match self {
            Self::Linear(model) | Self::ElasticNet(model) => model.unusual(diamond),
            Self::Xgboost(model) => model.unusual(diamond),
        }
    }

    /// Which of depth, table, x, y and z the model uses.
    pub(crate) fn measures_used(&self) -> [bool; 5] {
        match self {
            Self::Linear(_) | Self::ElasticNet(_) => [false, false, true, false, false],
            Self::Xgboost(_) => [true; 5],
        }
    }

    /// What the price of `diamond` is made of; none where the price is too large for cents.
    #[must_use]
    pub fn explain(&self, diamond: &PartialDiamond) -> Option<Explanation> {
        match self {
            Self::Linear(model) | Self::ElasticNet(model) => model.explain(diamond),
            Self::Xgboost(model) => model.explain(diamond),
        }
    }

    /// What the training samples were like.
    pub(crate) fn trained_on(&self) -> &TrainedOn {
        match self {
            Self::Linear(model) | Self::ElasticNet(model) => model.trained_on(),
            Self::Xgboost(model) => model.trained_on(),
        }
    }
}
