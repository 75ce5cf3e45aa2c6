//! The price of a diamond, with all that is said of it.

use domain::{PartialDiamond, cents};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::RangeJson;
use crate::serving::Served;

/// What is said of a price, wherever it is given.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Quote {
    /// The price, in US dollars.
    #[schema(example = 4733.15)]
    pub(crate) price: f64,
    /// The prices between which such diamonds are sold; null where the model cannot tell.
    pub(crate) range: Option<RangeJson>,
    /// Why there is no range; null where there is one.
    #[schema(example = json!(null))]
    pub(crate) range_reason: Option<String>,
    /// The features in which the diamond is unlike all that the model was trained on: trust the price less.
    #[schema(value_type = Vec<String>, example = json!([]))]
    pub(crate) unusual: Vec<&'static str>,
}

/// The model has no price above 0, or no finite one, for a diamond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "its measures are so unlike any diamond the model knows that it has no price for it; check them, or leave some out"
)]
pub(crate) struct NoPrice;

/// What is above 0 is above 0 in cents, too.
const CENT: f64 = 0.01;

/// What the model that is served says of `diamond`.
pub(crate) fn quote(served: &Served, diamond: &PartialDiamond) -> Result<Quote, NoPrice> {
    let predicted = served.predictor.predict(diamond);
    if !predicted.is_finite() || predicted <= 0.0 {
        return Err(NoPrice);
    }
    let range = served.ranges.range(&served.predictor, diamond, predicted);
    let (range, range_reason) = match range {
        Ok(range) => (
            Some(RangeJson {
                low: in_cents(range.low, cents::floor).max(CENT),
                high: in_cents(range.high, cents::ceil),
                coverage: model::ranges::LEVEL,
            }),
            None,
        ),
        Err(reason) => (None, Some(reason.to_string())),
    };
    Ok(Quote {
        price: in_cents(predicted, cents::of).max(CENT),
        range,
        range_reason,
        unusual: served.predictor.unusual(diamond),
    })
}

/// Rounded; a number so large that it has no exact cents stays as it is.
fn in_cents(dollars: f64, round: fn(f64) -> Option<i64>) -> f64 {
    round(dollars).map_or(dollars, cents::dollars)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_in_cents_unless_it_is_absurd() {
        assert_eq!(in_cents(4733.149, cents::of), 4733.15);
        assert_eq!(in_cents(4733.149, cents::floor), 4733.14);
        assert_eq!(in_cents(1e300, cents::of), 1e300);
    }
}
