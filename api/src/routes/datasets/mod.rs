//! `GET /v1/datasets`, `/v1/datasets/{version}`, `/v1/datasets/{version}/parquet`: dataset versions.

pub(crate) mod parquet;

use axum::Json;
use domain::dataset::Dataset;
use storage::During;

use super::list::{Answer, Filter, List, ListJson, Listed, Part, Times, during, is_number, list};
use crate::{
    input::{Faults, Params, Query, Segment, canonical},
    problem::Problem,
    registry::Registry,
};

impl Filter for During {
    const NAMES: &'static [&'static str] = &["since", "until"];

    fn is_cursor(text: &str) -> bool {
        is_number(text)
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        during(query, faults)
    }
}

/// List dataset versions
///
/// Newest first. `files` of each has only the file that it added: ask for one version to get all of its files.
#[utoipa::path(get, path = "/v1/datasets", tag = "data", operation_id = "datasets", params(Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9]{1,18}$", example = "17")),
    responses((status = 200, description = "Newest first", body = List<Dataset>)))]
pub(crate) async fn datasets(
    Params(Listed(during, page)): Params<Listed<During>>,
    registry: Registry,
) -> Result<ListJson, Problem> {
    let registry = &registry;
    list(page, |page| async move {
        let datasets = registry.datasets(during, &page).await?;
        Ok(datasets.map(|dataset| (dataset.version.to_string(), dataset)))
    })
    .await
}

/// Show one dataset version
#[utoipa::path(get, path = "/v1/datasets/{version}", tag = "data", operation_id = "dataset",
    params(("version" = u32, Path, description = "The dataset version.", minimum = 1, example = 2)),
    responses((status = 200, description = "The dataset version", body = Dataset)))]
pub(crate) async fn dataset(
    Segment(version): Segment,
    Params(()): Params<()>,
    registry: Registry,
) -> Answer<Dataset> {
    let version = canonical(&version).ok_or_else(missing)?;
    registry.dataset(version).await?.map(Json).ok_or_else(missing)
}

fn missing() -> Problem {
    Problem::not_found("such dataset version; GET /v1/datasets lists those there are")
}
