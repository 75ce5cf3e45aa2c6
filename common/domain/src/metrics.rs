//! How well a model does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Errors of predicted against true prices.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Errors {
    /// Mean absolute error, in US dollars.
    pub mae: f64,
    /// Root mean squared error, in US dollars.
    pub rmse: f64,
    /// Share of the prices' variance explained (1 is perfect); null where the prices do not vary.
    pub r2: Option<f64>,
    /// How many samples were scored.
    pub n: u64,
}

/// Errors over a set of samples and over its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Score {
    /// Over all of them.
    #[serde(flatten)]
    pub errors: Errors,
    /// Per quality (`cut`, `color`, `clarity`) and grade; grades without a sample are left out.
    pub slices: BTreeMap<String, BTreeMap<String, Errors>>,
}

/// How well a model does on each side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metrics {
    /// On the samples that no model ever trains on.
    pub holdout: Score,
    /// On the samples that it was trained on.
    pub train: Score,
}
