//! What predictions look like on the wire.

use domain::{Clarity, Color, Cut, DatasetVersion, ModelKind, ModelVersion};
use model::reasons::{Reason, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type, schema::SchemaType},
};

use crate::serving::Served;

/// A diamond; the measures may be left out or null.
///
/// The model then puts estimates of its own in their place: `x`, `y` and `z` from the weight, `depth` and `table` as the
/// medians of what it learned from. The kinds `linear` and `elastic_net` use `x` alone of the measures.
// It describes what `input::diamond` reads.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Diamond, example = json!({"carat": 1.1, "cut": "Ideal", "color": "H", "clarity": "SI2", "depth": 62.0, "table": 55.0, "x": 6.61, "y": 6.65, "z": 4.11}))]
#[expect(
    dead_code,
    reason = "it describes JSON that is read by hand, for the sake of all its faults"
)]
pub(crate) struct DiamondJson {
    /// Weight in carats.
    #[schema(exclusive_minimum = 0.0, maximum = 100.0, example = 1.1)]
    carat: f64,
    /// Grade of the cut.
    cut: Cut,
    /// Grade of the color.
    color: Color,
    /// Grade of the clarity.
    clarity: Clarity,
    /// Total depth: height over mean diameter, in percent.
    #[schema(exclusive_minimum = 0.0, maximum = 100.0, example = 62.0)]
    depth: Option<f64>,
    /// Width of the top facet over the widest point, in percent.
    #[schema(exclusive_minimum = 0.0, maximum = 100.0, example = 55.0)]
    table: Option<f64>,
    /// Length in millimeters.
    #[schema(exclusive_minimum = 0.0, maximum = 100.0, example = 6.61)]
    x: Option<f64>,
    /// Width in millimeters.
    #[schema(exclusive_minimum = 0.0, maximum = 100.0, example = 6.65)]
    y: Option<f64>,
    /// Height in millimeters.
    #[schema(exclusive_minimum = 0.0, maximum = 100.0, example = 4.11)]
    z: Option<f64>,
}

/// The prices between which a share of such diamonds are sold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct RangeJson {
    /// The lower end, in US dollars.
    #[schema(example = 4210.0)]
    pub(crate) low: f64,
    /// The upper end, in US dollars.
    #[schema(example = 5270.0)]
    pub(crate) high: f64,
    /// The share: 0.9 says that 9 in 10 such diamonds cost between the two.
    #[schema(example = 0.9)]
    pub(crate) coverage: f64,
}

/// What one feature does to the price.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ReasonJson {
    /// The feature.
    #[schema(example = "carat")]
    pub(crate) feature: String,
    /// Its value: a number or a grade; null where it was left out.
    #[schema(schema_with = feature_value)]
    pub(crate) value: serde_json::Value,
    /// By how much it raises the price, in US dollars; below zero, lowers.
    #[schema(example = 2310.42)]
    pub(crate) effect: f64,
    /// The same in words.
    #[schema(example = "carat 1.1 adds $2,310")]
    pub(crate) text: String,
}

fn feature_value() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Number, Type::String, Type::Null]))
        .description(Some(
            "Its value: a number or a grade; null where it was left out.",
        ))
        .examples([json!(1.1)])
        .build()
}

impl ReasonJson {
    pub(crate) fn of(reason: &Reason) -> Self {
        let value = match reason.value {
            Some(Value::Number(number)) => serde_json::Value::from(number),
            Some(Value::Grade(grade)) => grade.into(),
            None => serde_json::Value::Null,
        };
        Self {
            feature: reason.feature.to_owned(),
            value,
            effect: reason.effect,
            text: in_words(reason),
        }
    }
}

/// Such as `carat 1.1 adds $2,310`.
fn in_words(reason: &Reason) -> String {
    let feature = match reason.value {
        Some(Value::Number(number)) => format!("{} {number}", reason.feature),
        Some(Value::Grade(grade)) => format!("{} {grade}", reason.feature),
        None => format!("{}, which was left out,", reason.feature),
    };
    let dollars = reason.effect.abs().round();
    let does = match reason.effect {
        _ if dollars < 1.0 => return format!("{feature} changes next to nothing"),
        effect if effect > 0.0 => "adds",
        _ => "takes off",
    };
    format!("{feature} {does} ${}", with_commas(dollars as u64))
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The model that answered.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct AnsweringModel {
    /// Its version, as in `GET /v1/models/{version}`.
    #[schema(value_type = u32, example = 3)]
    version: ModelVersion,
    /// Its kind.
    kind: ModelKind,
    /// What it was trained on.
    #[schema(value_type = u32, example = 2)]
    dataset_version: DatasetVersion,
}

impl AnsweringModel {
    pub(crate) fn of(served: &Served) -> Self {
        Self {
            version: served.champion.version,
            kind: served.champion.kind,
            dataset_version: served.champion.dataset_version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_in_words() {
        let reason = |value, effect| Reason {
            feature: "carat",
            value,
            effect,
        };
        let number = Some(Value::Number(1.1));
        assert_eq!(in_words(&reason(number, 2310.42)), "carat 1.1 adds $2,310");
        assert_eq!(
            in_words(&reason(number, -1_234_567.8)),
            "carat 1.1 takes off $1,234,568"
        );
        assert_eq!(
            in_words(&reason(number, -0.3)),
            "carat 1.1 changes next to nothing"
        );
        assert_eq!(
            in_words(&reason(None, 12.0)),
            "carat, which was left out, adds $12"
        );
        assert_eq!(
            in_words(&reason(Some(Value::Grade("Ideal")), 999.0)),
            "carat Ideal adds $999"
        );
    }
}
