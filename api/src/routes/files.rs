//! What came in: data files and their reports.

use axum::Json;
use domain::file::{DataFile, FileStatus};
use storage::{data_files::FileFilter, place};

use super::list::{Answer, Filter, List, ListJson, Listed, Part, Times, during, is_time_and_digest, list};
use crate::{
    input::{Faults, Params, Query, Segment, canonical},
    problem::Problem,
    registry::Registry,
};

/// Every status of a data file.
pub(crate) const STATUSES: [FileStatus; 4] = [
    FileStatus::Held,
    FileStatus::Accepted,
    FileStatus::Rejected,
    FileStatus::Withdrawn,
];

impl Filter for FileFilter {
    const NAMES: &'static [&'static str] = &["status", "since", "until"];

    fn is_cursor(text: &str) -> bool {
        is_time_and_digest(text)
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        let status = query.one_of("status", &STATUSES.map(FileStatus::name), faults);
        let during = during(query, faults);
        Some(Self {
            status: status?,
            during: during?,
        })
    }
}

/// List data files
///
/// The last judged first. Those that are `held` wait for an operator.
#[utoipa::path(get, path = "/v1/files", tag = "data", operation_id = "files",
    params(("status" = Option<FileStatus>, Query, description = "Only of this status.", example = "held"), Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9]{1,16}\\.[0-9a-f]{64}$", example = "1764000000000000.5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")),
    responses((status = 200, description = "The last judged first", body = List<DataFile>)))]
pub(crate) async fn files(
    Params(Listed(filter, page)): Params<Listed<FileFilter>>,
    registry: Registry,
) -> Result<ListJson, Problem> {
    let registry = &registry;
    list(page, |page| async move {
        let files = registry.data_files(filter, &page).await?;
        Ok(files.map(|file| (place(file.finished_at, file.sha256), file)))
    })
    .await
}

/// Show one data file's report
#[utoipa::path(get, path = "/v1/files/{sha256}", tag = "data", operation_id = "file",
    params(("sha256" = String, Path, description = "The file's digest.", pattern = "^[0-9a-f]{64}$", example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")),
    responses((status = 200, description = "The report", body = DataFile)))]
pub(crate) async fn file(
    Segment(sha256): Segment,
    Params(()): Params<()>,
    registry: Registry,
) -> Answer<DataFile> {
    let sha256 = canonical(&sha256).ok_or_else(missing)?;
    registry.data_file(sha256).await?.map(Json).ok_or_else(missing)
}

/// There is no such file.
pub(crate) fn missing() -> Problem {
    Problem::not_found("such data file; GET /v1/files lists those there are")
}
