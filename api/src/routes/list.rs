//! Lists, a part at a time: in an order that does not change, filtered, each part beginning where the last ended.

use axum::Json;
use domain::Sha256;
use serde::Serialize;
use storage::{During, Page, PageRequest};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    input::{Faults, FromQuery, Query, digits},
    problem::Problem,
};

const LARGEST_PAGE: u64 = 1000;
const CURSOR: &str = "the next_cursor of the part before, unchanged";

/// What a route answers.
pub(crate) type Answer<T> = Result<Json<T>, Problem>;

/// What a list can be asked for.
pub(crate) trait Filter: Sized {
    /// The parameters.
    const NAMES: &'static [&'static str];

    /// Whether a text is a cursor of this list.
    fn is_cursor(text: &str) -> bool;

    /// Reads the parameters, or adds at least one fault.
    fn read(query: &Query, faults: &mut Faults) -> Option<Self>;
}

/// A filter, and which part of what it lets through.
pub(crate) struct Listed<F>(pub(crate) F, pub(crate) PageRequest);

impl<F: Filter> FromQuery for Listed<F> {
    fn known() -> Vec<&'static str> {
        [F::NAMES, &["limit", "cursor"]].concat()
    }

    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
        let filter = F::read(query, faults);
        let limit = query.whole("limit", 1..=LARGEST_PAGE, 100, faults);
        let cursor = |text: &str| F::is_cursor(text).then(|| text.to_owned());
        let cursor = query.optional("cursor", CURSOR, cursor, faults);
        let page = PageRequest {
            limit: limit?,
            cursor: cursor?,
        };
        Some(Self(filter?, page))
    }
}

/// A cursor that is a number.
pub(crate) fn is_number(text: &str) -> bool {
    text.len() <= 18 && digits(text).is_some()
}

/// A cursor that is a time and the id of a run.
pub(crate) fn is_time_and_id(text: &str) -> bool {
    is_time_and(text, |id| Uuid::parse_str(id).is_ok())
}

/// A cursor that is a time and the digest of a file.
pub(crate) fn is_time_and_digest(text: &str) -> bool {
    is_time_and(text, |digest| digest.parse::<Sha256>().is_ok())
}

fn is_time_and(text: &str, is_key: impl Fn(&str) -> bool) -> bool {
    let parts = text.split_once('.');
    parts.is_some_and(|(micros, key)| micros.len() <= 16 && digits(micros).is_some() && is_key(key))
}

/// The times that are wanted.
pub(crate) fn during(query: &Query, faults: &mut Faults) -> Option<During> {
    let since = query.time("since", faults);
    let until = query.time("until", faults);
    Some(During {
        since: since?,
        until: until?,
    })
}

/// How much of a list; where it begins is told by `cursor`, which each list has in a form of its own.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "it describes parameters that are read by hand, for the sake of all their faults"
)]
pub(crate) struct Part {
    /// The most items; 100 when left out.
    #[param(minimum = 1, maximum = 1000, example = 20)]
    limit: Option<u32>,
}

/// Which times.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "it describes parameters that are read by hand, for the sake of all their faults"
)]
pub(crate) struct Times {
    /// Only from this moment on.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2026-01-31T12:00:00Z")]
    since: Option<String>,
    /// Only before this moment.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2036-01-31T12:00:00Z")]
    until: Option<String>,
}

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<T> {
    items: Vec<T>,
    /// What to ask for the next part, as the parameter `cursor`; null at the end.
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
}

pub(crate) fn list<T>(page: Page<T>) -> Json<List<T>> {
    Json(List {
        items: page.items,
        next_cursor: page.next_cursor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_taken_in_its_own_form_alone() {
        assert!(is_number("17"));
        assert!(!is_number("-17") && !is_number("") && !is_number("9999999999999999999"));
        let id = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88";
        assert!(is_time_and_id(&format!("1764000000000000.{id}")));
        assert!(!is_time_and_id(id) && !is_time_and_id(&format!("soon.{id}")));
        let digest = Sha256::of(b"file");
        assert!(is_time_and_digest(&format!("1764000000000000.{digest}")));
        assert!(!is_time_and_digest(&format!("1764000000000000.{id}")));
    }
}
