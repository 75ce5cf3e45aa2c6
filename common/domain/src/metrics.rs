//! How well a model does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Errors of predicted against true prices.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Errors {
    /// Mean absolute error, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 271.86))]
    pub mae: f64,
    /// Root mean squared error, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 545.57))]
    pub rmse: f64,
    /// Share of the prices' variance explained (1 is perfect); null where the prices do not vary.
    #[cfg_attr(feature = "openapi", schema(example = 0.98))]
    pub r2: Option<f64>,
    /// How many samples were scored.
    #[cfg_attr(feature = "openapi", schema(example = 10_737))]
    pub n: u64,
}

/// Errors over a set of samples and over its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Score {
    /// Over all of them.
    #[serde(flatten)]
    pub errors: Errors,
    /// Per quality (`cut`, `color`, `clarity`) and grade, and per `price` and band; empty parts are left out.
    #[cfg_attr(feature = "openapi", schema(example = json!({"cut": {"Ideal": {"mae": 230.94, "rmse": 479.05, "r2": 0.98, "n": 4255}}})))]
    pub slices: BTreeMap<String, BTreeMap<String, Errors>>,
}

/// How the best of a search did on the inner validation side, before it was fitted on all training samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Validation {
    /// Mean absolute error, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 273.39))]
    pub mae: f64,
    /// How many samples were scored.
    #[cfg_attr(feature = "openapi", schema(example = 8495))]
    pub n: u64,
}

/// How often a price lay within the range that was given for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Covered {
    /// The share of prices within their ranges, 0 to 1.
    #[cfg_attr(feature = "openapi", schema(example = 0.91))]
    pub share: f64,
    /// The mean width of the ranges, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 1119.12))]
    pub width: f64,
    /// How many samples were checked.
    #[cfg_attr(feature = "openapi", schema(example = 5353))]
    pub n: u64,
}

/// How often prices lay within their ranges, on samples that neither training nor calibration nor the gate has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Coverage {
    /// The share that the ranges aim at.
    #[cfg_attr(feature = "openapi", schema(example = 0.9))]
    pub level: f64,
    /// Over all of the checking half.
    pub overall: Covered,
    /// Per cut and grade, and per `price` and band; empty parts are left out.
    #[cfg_attr(feature = "openapi", schema(example = json!({"cut": {"Ideal": {"share": 0.91, "width": 1015.45, "n": 2086}}})))]
    pub slices: BTreeMap<String, BTreeMap<String, Covered>>,
}

/// A price, and what the model said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FitPoint {
    /// The true price, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 4733.0))]
    pub price: f64,
    /// The predicted one, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 4812.35))]
    pub predicted: f64,
}

/// How a model does on diamonds of which only weight and grades are told, as most people ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Masked {
    /// Errors on the holdout.
    pub holdout: Score,
    /// Coverage of the ranges; null where there are too few samples for any.
    pub coverage: Option<Coverage>,
}

/// How well a model does on each side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metrics {
    /// On the samples that no model ever trains on.
    pub holdout: Score,
    /// On the inner validation side; null where the kind does not search.
    #[serde(default)]
    pub validation: Option<Validation>,
    /// On the samples that it was trained on.
    pub train: Score,
    /// Of the ranges of complete diamonds; null where there are too few samples for any.
    #[serde(default)]
    pub coverage: Option<Coverage>,
    /// Where only weight and grades are told; null for models older than this figure.
    #[serde(default)]
    pub masked: Option<Masked>,
    /// Goodness of fit: some samples of the holdout, always the same ones.
    #[serde(default)]
    pub fit: Vec<FitPoint>,
}
