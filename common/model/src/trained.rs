//! A model fresh from training, and how it is written down.

use domain::Sample;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    Predictor,
    linear::LinearModel,
    trees::{TreeModel, TreeModelError, Written as WrittenTrees},
};

/// A model that was just trained: it predicts, and it can be written into an artifact.
///
/// A predictor alone cannot: boosted trees are written as XGBoost wrote them, and what predicts does not keep that.
#[derive(Debug, Clone)]
pub struct Trained {
    predictor: Predictor,
    written: Box<RawValue>,
}

/// How each kind of [`Predictor`] is written: with the same names.
#[derive(Serialize)]
#[serde(tag = "kind", content = "model", rename_all = "snake_case")]
enum Written<'m> {
    Linear(&'m LinearModel),
    Xgboost(WrittenTrees<'m>),
    ElasticNet(&'m LinearModel),
}

impl Trained {
    /// By least squares on the logarithm of the price.
    #[must_use]
    pub fn linear(model: LinearModel) -> Self {
        let written = Written::Linear(&model).to_json();
        Self {
            predictor: Predictor::Linear(model),
            written,
        }
    }

    /// By least squares on the logarithm of the price, the coefficients pulled towards 0.
    #[must_use]
    pub fn elastic_net(model: LinearModel) -> Self {
        let written = Written::ElasticNet(&model).to_json();
        Self {
            predictor: Predictor::ElasticNet(model),
            written,
        }
    }

    /// The model that `booster`, a model as XGBoost saves it in JSON, became by training on `samples`.
    ///
    /// # Errors
    ///
    /// Where the booster cannot be read, or there are no samples.
    pub fn trees(booster: &[u8], samples: &[Sample]) -> Result<Self, TreeModelError> {
        let booster = std::str::from_utf8(booster)?;
        let model = TreeModel::new(booster, samples)?;
        let written = Written::Xgboost(model.written(booster)?).to_json();
        Ok(Self {
            predictor: Predictor::Xgboost(Box::new(model)),
            written,
        })
    }

    /// The model.
    #[must_use]
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// The model, and how an artifact holds it.
    pub(crate) fn into_parts(self) -> (Predictor, Box<RawValue>) {
        (self.predictor, self.written)
    }
}

impl Written<'_> {
    #[expect(
        clippy::expect_used,
        reason = "no key of it is other than text, and nothing else fails in memory"
    )]
    fn to_json(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self).expect("a model is plain data")
    }
}
