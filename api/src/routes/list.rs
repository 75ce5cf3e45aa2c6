//! Lists, a part at a time: in an order that does not change, filtered, each part beginning where the last ended.
//!
//! A part is bounded in bytes as well as in items ([`LARGEST_BYTES`]). It is read from the registry a few items at a time,
//! so that what it takes to make one is bounded too.

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use domain::{Sha256, traffic::BodyDigest};
use serde::Serialize;
use storage::{During, Page, PageRequest, StorageError};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    input::{Faults, FromQuery, Query, digits},
    problem::Problem,
    record::BodyTold,
};

const LARGEST_PAGE: u64 = 1000;
/// A part ends with the item with which it would be longer than this.
const LARGEST_BYTES: usize = 1 << 20;
/// A longer one is on record by its digest.
const RECORDED_BYTES: usize = 64 << 10;
/// Items that are read at a time.
const READ: u64 = 50;
const CURSOR: &str = "the next_cursor of the part before, unchanged";

/// What a route answers that shows one thing.
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
    /// The most items; 100 when left out. A part of more than a megabyte has fewer.
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
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes JSON that is written an item at a time")]
pub(crate) struct List<T> {
    items: Vec<T>,
    /// What to ask for the next part, as the parameter `cursor`; null at the end.
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
}

/// Answers with a part of a list. `read` gets one from the registry, each item with the cursor of what comes after it.
pub(crate) async fn list<T, F>(
    page: PageRequest,
    read: impl Fn(PageRequest) -> F,
) -> Result<ListJson, Problem>
where
    T: Serialize,
    F: Future<Output = Result<Page<(String, T)>, StorageError>>,
{
    let (mut list, mut left, mut cursor) = (ListJson::begin(), page.limit, page.cursor);
    loop {
        let limit = left.min(READ);
        let begin = cursor.clone();
        let some = read(PageRequest { limit, cursor }).await?;
        // Until the first of these is added, the part ends behind those before them.
        let mut last = begin;
        for (after, item) in some.items {
            if !list.add(&item)? {
                return list.end(last.as_deref());
            }
            last = Some(after);
        }
        left -= limit;
        if left == 0 || some.next_cursor.is_none() {
            return list.end(some.next_cursor.as_deref());
        }
        cursor = some.next_cursor;
    }
}

/// A part of a list, being written.
pub(crate) struct ListJson(Vec<u8>);

impl ListJson {
    fn begin() -> Self {
        Self(br#"{"items":["#.to_vec())
    }

    /// Adds an item, unless the part would be too long; the first is never.
    fn add(&mut self, item: &impl Serialize) -> Result<bool, Problem> {
        let before = self.0.len();
        let is_first = self.0.ends_with(b"[") && before == Self::begin().0.len();
        if !is_first {
            self.0.push(b',');
        }
        serde_json::to_writer(&mut self.0, item).map_err(|_| Problem::broken())?;
        if is_first || self.0.len() <= LARGEST_BYTES {
            return Ok(true);
        }
        self.0.truncate(before);
        Ok(false)
    }

    fn end(mut self, next_cursor: Option<&str>) -> Result<Self, Problem> {
        self.0.extend_from_slice(br#"],"next_cursor":"#);
        serde_json::to_writer(&mut self.0, &next_cursor).map_err(|_| Problem::broken())?;
        self.0.push(b'}');
        Ok(self)
    }
}

impl IntoResponse for ListJson {
    fn into_response(self) -> Response {
        let told = (self.0.len() > RECORDED_BYTES).then(|| BodyTold(BodyDigest::of(&self.0)));
        let mut response = Response::new(Body::from(self.0));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(told) = told {
            response.extensions_mut().insert(told);
        }
        response
    }
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

    /// A registry with so many items of so many bytes each, behind their numbers; and what was read of it at a time.
    async fn listed(
        items: usize,
        bytes: usize,
        limit: u64,
        cursor: Option<&str>,
    ) -> (serde_json::Value, Response) {
        let read = |page: PageRequest| async move {
            let first: usize = page.cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let end = (first + page.limit as usize).min(items);
            assert!(page.limit <= READ, "no more is in memory");
            Ok(Page {
                items: (first..end)
                    .map(|number| ((number + 1).to_string(), "x".repeat(bytes)))
                    .collect(),
                next_cursor: (end < items).then(|| end.to_string()),
            })
        };
        let cursor = cursor.map(str::to_owned);
        let Ok(list) = list(PageRequest { limit, cursor }, read).await else {
            panic!("it breaks")
        };
        (serde_json::from_slice(&list.0).unwrap(), list.into_response())
    }

    /// S6: a part is bounded in bytes, and the next one goes on where it ended.
    #[tokio::test]
    async fn a_part_is_as_long_as_its_bytes_allow_and_the_next_goes_on_from_there() {
        let (mut seen, mut cursor) = (0, None::<String>);
        loop {
            let (list, response) = listed(300, 10_000, 1000, cursor.as_deref()).await;
            let length = list.to_string().len();
            assert!(length <= LARGEST_BYTES + 100, "{length}");
            assert!(
                response.extensions().get::<BodyTold>().is_some(),
                "on record by its digest"
            );
            seen += list["items"].as_array().unwrap().len();
            let Some(next) = list["next_cursor"].as_str() else {
                break;
            };
            assert_eq!(next, seen.to_string());
            cursor = Some(next.to_owned());
        }
        assert_eq!(seen, 300);
    }

    /// A part may be full with the last item of those that were read at a time: the next begins behind it.
    #[tokio::test]
    async fn a_part_that_is_full_at_the_end_of_what_is_read_at_a_time_is_not_the_last() {
        let read = READ as usize;
        for fitting in [read - 1, read, read + 1, 2 * read - 1, 2 * read, 2 * read + 1] {
            // Each item has two quotes and a comma.
            let most = LARGEST_BYTES / fitting - 3;
            for bytes in [most, most - 30] {
                let (mut seen, mut cursor) = (0, None::<String>);
                loop {
                    let (list, _) = listed(3 * read, bytes, 1000, cursor.as_deref()).await;
                    seen += list["items"].as_array().unwrap().len();
                    let Some(next) = list["next_cursor"].as_str() else {
                        break;
                    };
                    assert_eq!(next, seen.to_string());
                    cursor = Some(next.to_owned());
                }
                assert_eq!(seen, 3 * read, "{fitting} of {bytes} bytes");
            }
        }
    }

    #[tokio::test]
    async fn a_part_has_as_many_items_as_are_wanted_and_one_at_least() {
        for (items, limit, expected, next) in [
            (0, 10, 0, None),
            (7, 10, 7, None),
            (10, 10, 10, None),
            (11, 10, 10, Some("10")),
            (200, 120, 120, Some("120")),
            (100, 1000, 100, None),
        ] {
            let (list, response) = listed(items, 3, limit, None).await;
            assert_eq!(list["items"].as_array().unwrap().len(), expected);
            assert_eq!(list["next_cursor"].as_str(), next, "{items} items");
            assert!(response.extensions().get::<BodyTold>().is_none());
        }
        let (list, _) = listed(2, 2 << 20, 10, None).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        assert_eq!(list["next_cursor"], "1");
    }
}
