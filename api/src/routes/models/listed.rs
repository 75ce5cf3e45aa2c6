//! `GET /v1/models`, `/v1/models/{version}`: the registry.

use axum::Json;
use domain::{ModelKind, model::Model};
use storage::models::ModelFilter;

use super::{
    super::{
        list::{Answer, Filter, List, ListJson, Listed, Part, Times, during, is_number, list},
        runs::{dataset_version, kind},
    },
    missing,
};
use crate::{
    input::{Faults, Params, Query, Segment, canonical},
    problem::Problem,
    registry::Registry,
};

impl Filter for ModelFilter {
    const NAMES: &'static [&'static str] = &["kind", "dataset_version", "since", "until"];

    fn is_cursor(text: &str) -> bool {
        is_number(text)
    }

    fn read(query: &Query, faults: &mut Faults) -> Option<Self> {
        let kind = kind(query, faults);
        let dataset_version = dataset_version(query, faults);
        let during = during(query, faults);
        Some(Self {
            kind: kind?,
            dataset_version: dataset_version?,
            during: during?,
        })
    }
}

/// List models
///
/// Newest first, with parameters, metrics, lineage and the gate's verdict; without the files of their lineage.
#[utoipa::path(get, path = "/v1/models", tag = "models", operation_id = "models",
    params(("kind" = Option<ModelKind>, Query, description = "Only of this kind.", example = "linear"),
        ("dataset_version" = Option<u32>, Query, description = "Only those trained on this dataset version.", minimum = 1, example = 2),
        Times, Part, ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before; left out for the first part.", pattern = "^[0-9]{1,18}$", example = "17")),
    responses((status = 200, description = "Newest first", body = List<Model>)))]
pub(crate) async fn models(
    Params(Listed(filter, page)): Params<Listed<ModelFilter>>,
    registry: Registry,
) -> Result<ListJson, Problem> {
    let registry = &registry;
    list(page, |page| async move {
        let models = registry.models(filter, &page).await?;
        Ok(models.map(|model| (model.version.to_string(), model)))
    })
    .await
}

/// Show one model
#[utoipa::path(get, path = "/v1/models/{version}", tag = "models", operation_id = "model",
    params(("version" = u32, Path, description = "The model version.", minimum = 1, example = 3)),
    responses((status = 200, description = "The model", body = Model)))]
pub(crate) async fn model(
    Segment(version): Segment,
    Params(()): Params<()>,
    registry: Registry,
) -> Answer<Model> {
    let version = canonical(&version).ok_or_else(missing)?;
    registry.model(version).await?.map(Json).ok_or_else(missing)
}
