//! Lists, a part at a time.

use axum::Json;
use serde::Serialize;
use storage::{Page, PageRequest};
use utoipa::{IntoParams, ToSchema};

use crate::{
    input::{Faults, FromQuery, Query},
    problem::Problem,
};

const LARGEST_PAGE: u64 = 1000;

/// What a route answers.
pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// Which part of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// The most items, 1 to 1000; 100 when left out.
    limit: Option<u64>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// A part of a list, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct List<T> {
    items: Vec<T>,
    /// What to ask for the next part; null at the end.
    next_cursor: Option<String>,
}

impl FromQuery for Part {
    const KNOWN: &'static [&'static str] = &["limit", "cursor"];

    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
        let limit = query.whole("limit", 1..=LARGEST_PAGE, 100, faults)?;
        Some(Self {
            limit: Some(limit),
            cursor: query.get("cursor").map(ToOwned::to_owned),
        })
    }
}

impl From<Part> for PageRequest {
    fn from(part: Part) -> Self {
        page(part.limit, part.cursor)
    }
}

pub(super) fn page(limit: Option<u64>, cursor: Option<String>) -> PageRequest {
    PageRequest {
        limit: limit.unwrap_or(100).clamp(1, LARGEST_PAGE),
        cursor,
    }
}

pub(super) fn list<T>(page: Page<T>) -> Json<List<T>> {
    Json(List {
        items: page.items,
        next_cursor: page.next_cursor,
    })
}
