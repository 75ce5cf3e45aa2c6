//! What came in: data files and their reports.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::file::{DataFile, FileStatus};
use utoipa::IntoParams;

use super::list::{Answer, List, list, page};
use crate::{
    input::{Faults, FromQuery, Params, Query},
    problem::Problem,
    service::App,
};

/// Every status of a data file.
pub(super) const STATUSES: [FileStatus; 4] = [
    FileStatus::Held,
    FileStatus::Accepted,
    FileStatus::Rejected,
    FileStatus::Withdrawn,
];

/// Which files, and which part of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only files of this status: `held` are those that wait for an operator. All when left out.
    status: Option<FileStatus>,
    /// The most items, 1 to 1000; 100 when left out.
    limit: Option<u64>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

impl FromQuery for Wanted {
    const KNOWN: &'static [&'static str] = &["status", "limit", "cursor"];

    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
        let status = query.one_of("status", &STATUSES.map(FileStatus::name), faults);
        let limit = query.whole("limit", 1..=1000, 100, faults);
        Some(Self {
            status: status?,
            limit: Some(limit?),
            cursor: query.get("cursor").map(ToOwned::to_owned),
        })
    }
}

/// Data files, the last judged first.
#[utoipa::path(get, path = "/v1/files", params(Wanted), responses((status = 422, body = Problem), (status = 200, body = List<DataFile>)))]
pub(super) async fn files(State(app): State<App>, Params(wanted): Params<Wanted>) -> Answer<List<DataFile>> {
    let page = page(wanted.limit, wanted.cursor);
    Ok(list(app.registry()?.data_files(wanted.status, &page).await?))
}

/// One data file's report.
#[utoipa::path(get, path = "/v1/files/{sha256}", params(("sha256" = String, Path)), responses((status = 200, body = DataFile), (status = 404, body = Problem)))]
pub(super) async fn file(State(app): State<App>, Path(sha256): Path<String>) -> Answer<DataFile> {
    let sha256 = sha256.parse().map_err(|_| missing())?;
    app.registry()?
        .data_file(sha256)
        .await?
        .map(Json)
        .ok_or_else(missing)
}

/// There is no such file.
pub(super) fn missing() -> Problem {
    Problem::not_found("such data file")
}
