//! The closed list of model kinds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A kind of model; each has a learner, a queue and an artifact form of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Least squares on the logarithm of the price.
    Linear,
    /// Gradient-boosted trees on the price.
    Xgboost,
    /// Least squares on the logarithm of the price, the coefficients pulled towards 0.
    ElasticNet,
}

/// A name that no kind of model has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a model kind; there are: linear, xgboost, elastic_net")]
pub struct UnknownKind(String);

impl ModelKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Linear, Self::Xgboost, Self::ElasticNet];

    /// The name, as queues and tables write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Xgboost => "xgboost",
            Self::ElasticNet => "elastic_net",
        }
    }
}

impl ModelKind {
    /// What it is, in a few words.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Linear => "least squares on the logarithm of the price",
            Self::Xgboost => "gradient-boosted trees, their parameters found by search",
            Self::ElasticNet => "the linear kind, its coefficients pulled towards 0",
        }
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModelKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let kind = Self::ALL.iter().copied().find(|kind| kind.name() == text);
        kind.ok_or_else(|| UnknownKind(text.to_owned()))
    }
}
