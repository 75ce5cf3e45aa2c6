//! What was made of the data files: datasets, runs, models, promotions.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    dataset::Dataset,
    model::{Champion, Model, Promotion},
    run::TrainingRun,
};

use super::list::{Answer, List, Part, list};
use crate::{input::Params, problem::Problem, service::App};

/// Model versions, newest first.
#[utoipa::path(get, path = "/v1/models", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<Model>)))]
pub(crate) async fn models(State(app): State<App>, Params(part): Params<Part>) -> Answer<List<Model>> {
    Ok(list(app.registry()?.models(&part.into()).await?))
}

/// The model that serves.
#[utoipa::path(get, path = "/v1/models/champion", responses((status = 200, body = Champion), (status = 503, body = Problem)))]
pub(crate) async fn champion(State(app): State<App>) -> Answer<Champion> {
    app.registry()?
        .champion()
        .await?
        .map(Json)
        .ok_or_else(Problem::no_model)
}

/// One model version.
#[utoipa::path(get, path = "/v1/models/{version}", params(("version" = u32, Path)), responses((status = 200, body = Model), (status = 404, body = Problem)))]
pub(crate) async fn model(State(app): State<App>, Path(version): Path<String>) -> Answer<Model> {
    let missing = || Problem::not_found("such model version");
    let version = version.parse().map_err(|_| missing())?;
    app.registry()?
        .model(version)
        .await?
        .map(Json)
        .ok_or_else(missing)
}

/// Promotions, newest first.
#[utoipa::path(get, path = "/v1/promotions", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<Promotion>)))]
pub(crate) async fn promotions(
    State(app): State<App>,
    Params(part): Params<Part>,
) -> Answer<List<Promotion>> {
    Ok(list(app.registry()?.promotions(&part.into()).await?))
}

/// Dataset versions, newest first.
#[utoipa::path(get, path = "/v1/datasets", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<Dataset>)))]
pub(crate) async fn datasets(State(app): State<App>, Params(part): Params<Part>) -> Answer<List<Dataset>> {
    Ok(list(app.registry()?.datasets(&part.into()).await?))
}

/// Training runs, the last started first.
#[utoipa::path(get, path = "/v1/runs", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<TrainingRun>)))]
pub(crate) async fn runs(State(app): State<App>, Params(part): Params<Part>) -> Answer<List<TrainingRun>> {
    Ok(list(app.registry()?.runs(&part.into()).await?))
}

/// One training run.
#[utoipa::path(get, path = "/v1/runs/{id}", params(("id" = String, Path)), responses((status = 200, body = TrainingRun), (status = 404, body = Problem)))]
pub(crate) async fn run(State(app): State<App>, Path(id): Path<String>) -> Answer<TrainingRun> {
    let missing = || Problem::not_found("such training run");
    let id = id.parse().map_err(|_| missing())?;
    app.registry()?.run(id).await?.map(Json).ok_or_else(missing)
}
