//! `GET /v1/runs`, `/v1/runs/{id}`: training runs.

use axum::Json;
use domain::{
    DatasetVersion, ModelKind,
    run::{RunStatus, TrainingRun},
};
use storage::{place, runs::RunFilter};

use super::list::{Answer, Filter, List, ListJson, Listed, Part, Times, during, is_time_and_id, list};
use crate::{
    input::{Faults, Params, Query, Segment, canonical, digits},
    problem::Problem,
    registry::Registry,
};

const STATUSES: [&str; 5] = ["queued", "running", "succeeded", "failed", "superseded"];

impl Filter for RunFilter {
    const NAMES: &'static [&'static str] = &["status", "kind", "dataset_version", "since", "until"];

    fn is_cursor(text: &str) -> bool {
        is_time_and_id(text)
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        let status = query.one_of::<RunStatus>("status", &STATUSES, faults);
        let kind = kind(query, faults);
        let dataset_version = dataset_version(query, faults);
        let during = during(query, faults);
        Some(Self {
            status: status?,
            kind: kind?,
            dataset_version: dataset_version?,
            during: during?,
        })
    }
}

#[expect(clippy::option_option, reason = "wrong, absent and there are three things")]
pub(crate) fn kind(query: &Query, faults: &mut Faults) -> Option<Option<ModelKind>> {
    let kinds: Vec<_> = ModelKind::ALL.iter().map(|kind| kind.name()).collect();
    query.one_of("kind", &kinds, faults)
}

/// A whole number as the OpenAPI document has them: in 31 bits.
pub(crate) fn small(text: &str) -> Option<i64> {
    let number = digits(text).and_then(|number| i32::try_from(number).ok());
    number.map(i64::from)
}

#[expect(clippy::option_option, reason = "wrong, absent and there are three things")]
pub(crate) fn dataset_version(query: &Query, faults: &mut Faults) -> Option<Option<DatasetVersion>> {
    let version = |text: &str| small(text)?.try_into().ok();
    query.optional("dataset_version", "a dataset version, such as 2", version, faults)
}

/// List training runs
///
/// The last started first, without their trials.
#[utoipa::path(get, path = "/v1/runs", tag = "models", operation_id = "runs",
    params(("status" = Option<RunStatus>, Query, description = "Only of this status.", example = "succeeded"),
        ("kind" = Option<ModelKind>, Query, description = "Only of this kind.", example = "linear"),
        ("dataset_version" = Option<u32>, Query, description = "Only on this dataset version.", minimum = 1, example = 2),
        Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9]{1,16}\\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", example = "1764000000000000.0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")),
    responses((status = 200, description = "The last started first", body = List<TrainingRun>)))]
pub(crate) async fn runs(
    Params(Listed(filter, page)): Params<Listed<RunFilter>>,
    registry: Registry,
) -> Result<ListJson, Problem> {
    let registry = &registry;
    list(page, |page| async move {
        let runs = registry.runs(filter, &page).await?;
        Ok(runs.map(|run| (place(run.started_at, run.id), run)))
    })
    .await
}

/// Show one training run
///
/// With its trials and log lines.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "models", operation_id = "run",
    params(("id" = uuid::Uuid, Path, description = "The run.", example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")),
    responses((status = 200, description = "The run", body = TrainingRun)))]
pub(crate) async fn run(
    Segment(id): Segment,
    Params(()): Params<()>,
    registry: Registry,
) -> Answer<TrainingRun> {
    let missing = || Problem::not_found("such training run; GET /v1/runs lists those there are");
    let id = canonical(&id).ok_or_else(missing)?;
    registry.run(id).await?.map(Json).ok_or_else(missing)
}
