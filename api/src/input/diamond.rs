//! A diamond, as clients describe it.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use domain::{Clarity, Color, Cut, OutOfRange, PartialDiamond, grade::UnknownGrade};

use super::{Faults, Fields, FromJson, Json, Place};

/// Every field of a diamond.
pub(crate) const FIELDS: [&str; 9] = [
    "carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z",
];
/// The weights that are believed, in carats; the heaviest cut diamonds that are sold have some tens of them.
pub(crate) const CARATS: RangeInclusive<f64> = 0.0..=100.0;
/// The lengths that are believed, in millimeters.
pub(crate) const MILLIMETERS: RangeInclusive<f64> = 0.0..=100.0;
const PERCENT: RangeInclusive<f64> = 0.0..=100.0;

impl FromJson for PartialDiamond {
    fn from_json(json: &Json, place: &Place, faults: &mut Faults) -> Option<Self> {
        diamond(json, place, faults)
    }
}

/// Reads a diamond, or adds at least one fault.
pub(crate) fn diamond(json: &Json, place: &Place, faults: &mut Faults) -> Option<PartialDiamond> {
    let fields = Fields::of(json, place, &FIELDS, faults)?;
    let carat = fields.required("carat", "the weight in carats, such as 1.1", faults);
    let carat = carat.and_then(|json| quantity(json, "carat", "1.1", &CARATS, &fields, faults));
    let cut = grade::<Cut>(&fields, "cut", Cut::NAMES, faults);
    let color = grade::<Color>(&fields, "color", Color::NAMES, faults);
    let clarity = grade::<Clarity>(&fields, "clarity", Clarity::NAMES, faults);
    let depth = measure(&fields, "depth", "62.0", &PERCENT, faults);
    let table = measure(&fields, "table", "55.0", &PERCENT, faults);
    let x = measure(&fields, "x", "6.61", &MILLIMETERS, faults);
    let y = measure(&fields, "y", "6.65", &MILLIMETERS, faults);
    let z = measure(&fields, "z", "4.11", &MILLIMETERS, faults);
    Some(PartialDiamond {
        carat: carat?,
        cut: cut?,
        color: color?,
        clarity: clarity?,
        depth: depth?,
        table: table?,
        x: x?,
        y: y?,
        z: z?,
    })
}

/// A number within what is believed of its quantity.
pub(crate) fn quantity_value<T: TryFrom<f64, Error = OutOfRange>>(
    number: f64,
    name: &str,
    believed: &RangeInclusive<f64>,
    place: &Place,
    faults: &mut Faults,
) -> Option<T> {
    if number.is_finite() && number > *believed.end() {
        faults.add(
            place,
            format_args!("{name} must not be greater than {}", believed.end()),
        );
        return None;
    }
    let value = T::try_from(number);
    value
        .map_err(|error| faults.add(place, format_args!("{name} {error}")))
        .ok()
}

/// A grade by its name.
pub(crate) fn grade_text<T: FromStr<Err = UnknownGrade>>(
    text: &str,
    place: &Place,
    faults: &mut Faults,
) -> Option<T> {
    let grade = text.parse();
    grade.map_err(|error: UnknownGrade| faults.add(place, error)).ok()
}

fn quantity<T: TryFrom<f64, Error = OutOfRange>>(
    json: &Json,
    name: &'static str,
    example: &str,
    believed: &RangeInclusive<f64>,
    fields: &Fields,
    faults: &mut Faults,
) -> Option<T> {
    let place = fields.at(name);
    let number = json.number(name, example, &place, faults)?;
    quantity_value(number, name, believed, &place, faults)
}

/// Nothing inside when the measure is absent or null.
#[expect(clippy::option_option, reason = "wrong, absent and there are three things")]
fn measure<T: TryFrom<f64, Error = OutOfRange>>(
    fields: &Fields,
    name: &'static str,
    example: &str,
    believed: &RangeInclusive<f64>,
    faults: &mut Faults,
) -> Option<Option<T>> {
    match fields.optional(name) {
        Some(json) => quantity(json, name, example, believed, fields, faults).map(Some),
        None => Some(None),
    }
}

fn grade<T: FromStr<Err = UnknownGrade>>(
    fields: &Fields,
    name: &'static str,
    grades: &[&str],
    faults: &mut Faults,
) -> Option<T> {
    let what = fmt::from_fn(|f| write!(f, "one of {}", grades.join(", ")));
    let json = fields.required(name, what, faults)?;
    let place = fields.at(name);
    let best = grades.last().copied().unwrap_or_default();
    grade_text(json.text(name, best, &place, faults)?, &place, faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::json::parse;

    /// What is said of a body, as `pointer: detail`.
    fn faults(body: &str) -> Vec<String> {
        let mut faults = Faults::default();
        let read = diamond(&parse(body.as_bytes()).unwrap(), &Place::Root, &mut faults);
        assert_eq!(read.is_some(), faults.found() == 0, "{faults:?}");
        faults.lines()
    }

    #[test]
    fn a_diamond_needs_weight_and_grades_alone() {
        let whole = r#"{"carat":1.1,"cut":"ideal","color":"H","clarity":"SI2","x":6.61,"z":null}"#;
        assert_eq!(faults(whole), Vec::<String>::new());
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let body = r#"{"carat":"heavy","cut":"ideal plus","clarity":null,"x":1e999,"y":-1,"depth":101,"z":5000,"weight":1,"x":2}"#;
        assert_eq!(
            faults(body),
            [
                r#"/weight: "weight" is not a field here; there are: carat, cut, color, clarity, depth, table, x, y, z"#,
                "/x: x is given twice; send it once",
                "/carat: carat has to be a number such as 1.1, and is a text",
                r#"/cut: cut "ideal plus" is not a grade; use one of Fair, Good, Very Good, Premium, Ideal"#,
                "/color: color is missing; send one of J, I, H, G, F, E, D",
                r#"/clarity: clarity has to be a text such as "IF", and is null"#,
                "/depth: depth must not be greater than 100",
                "/x: x must be a finite number",
                "/y: y must be greater than 0",
                "/z: z must not be greater than 100",
            ]
        );
    }

    #[test]
    fn what_is_no_object_is_said_to_be_none() {
        let said = faults("[1]");
        assert!(
            said[0].starts_with(": the body has to be an object with carat, cut"),
            "{said:?}"
        );
    }
}
