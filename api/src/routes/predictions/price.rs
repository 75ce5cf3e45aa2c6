//! The price of a diamond, with all that is said of it.

use domain::PartialDiamond;
use model::Predictor;
use serde::Serialize;
use utoipa::ToSchema;

use super::json::RangeJson;

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

/// The model has no finite price for a diamond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "its measures are so unlike any diamond the model knows that it has no price for it; check them, or leave some out"
)]
pub(crate) struct NoPrice;

/// What `predictor` says of `diamond`.
pub(crate) fn quote(predictor: &Predictor, diamond: &PartialDiamond) -> Result<Quote, NoPrice> {
    Ok(Quote {
        price: cents(predictor.predict(diamond)).ok_or(NoPrice)?,
        range: None,
        range_reason: Some("the model does not know how far it may be off".to_owned()),
        unusual: predictor.unusual(diamond),
    })
}

/// Rounded to cents; none when it is not finite.
pub(crate) fn cents(dollars: f64) -> Option<f64> {
    let rounded = (dollars * 100.0).round() / 100.0;
    // A number so large that it has no cents stays as it is.
    Some(if rounded.is_finite() { rounded } else { dollars }).filter(|price| price.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_in_cents_and_finite() {
        assert_eq!(cents(4733.149), Some(4733.15));
        assert_eq!(cents(1e308), Some(1e308));
        assert_eq!(cents(f64::INFINITY), None);
        assert_eq!(cents(f64::NAN), None);
    }
}
