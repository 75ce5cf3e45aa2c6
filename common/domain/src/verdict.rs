//! What the gate decided, and why.

use serde::{Deserialize, Serialize};

use crate::ModelVersion;

/// A model in a comparison, with its error on the common holdout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contender {
    /// Which model.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 3))]
    pub version: ModelVersion,
    /// Its mean absolute error, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 271.86))]
    pub mae: f64,
}

/// Champion's error less challenger's: above zero, the challenger is better. Errors are distances between the logarithms
/// of price and prediction, none counted as more than 2; what they differ by is told in US dollars on a diamond of the
/// holdout's median price.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Difference {
    /// The mean, in US dollars.
    #[cfg_attr(feature = "openapi", schema(example = 107.73))]
    pub mean: f64,
    /// Lower end of its 95 % bootstrap interval.
    #[cfg_attr(feature = "openapi", schema(example = 99.21))]
    pub low: f64,
    /// Upper end of its 95 % bootstrap interval.
    #[cfg_attr(feature = "openapi", schema(example = 116.02))]
    pub high: f64,
}

/// One condition that a champion must meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// What was checked.
    #[cfg_attr(feature = "openapi", schema(example = "r2 at least 0.5"))]
    pub name: String,
    /// Whether it holds.
    #[cfg_attr(feature = "openapi", schema(example = true))]
    pub passed: bool,
    /// The figures behind it.
    #[cfg_attr(feature = "openapi", schema(example = "r2 is 0.9800"))]
    pub detail: String,
}

/// The gate's decision on one challenger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// Whether the challenger became champion.
    #[cfg_attr(feature = "openapi", schema(example = true))]
    pub promoted: bool,
    /// Why, in a sentence.
    #[cfg_attr(
        feature = "openapi",
        schema(
            example = "holdout error 7.45 % (MAE 271.86 USD) beats the champion's 12.38 % (MAE 550.27 USD) by 107.73 USD on a diamond of 2401.00 USD"
        )
    )]
    pub reason: String,
    /// The new model.
    pub challenger: Contender,
    /// The champion of that moment; null when there was none.
    pub champion: Option<Contender>,
    /// How they differ; null when there was no champion.
    pub difference: Option<Difference>,
    /// The conditions, each with its result.
    pub checks: Vec<Check>,
}
