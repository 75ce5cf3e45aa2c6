//! What came in, what was made of it: files, datasets, runs, models, promotions.

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{
    dataset::Dataset,
    file::DataFile,
    model::{Champion, Model, Promotion},
    run::TrainingRun,
};
use serde::{Deserialize, Serialize};
use storage::{Page, PageRequest};
use utoipa::{IntoParams, ToSchema};

use crate::{
    problem::{Params, Problem},
    service::App,
};

const LARGEST_PAGE: u64 = 1000;

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Part {
    /// The most items, 1 to 1000; 100 when left out.
    limit: Option<u64>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// A part of a list, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<T> {
    items: Vec<T>,
    /// What to ask for the next part; null at the end.
    next_cursor: Option<String>,
}

impl From<Part> for PageRequest {
    fn from(part: Part) -> Self {
        Self {
            limit: part.limit.unwrap_or(100).clamp(1, LARGEST_PAGE),
            cursor: part.cursor,
        }
    }
}

fn list<T>(page: Page<T>) -> Json<List<T>> {
    Json(List {
        items: page.items,
        next_cursor: page.next_cursor,
    })
}

type Answer<T> = Result<Json<T>, Problem>;

/// Model versions, newest first.
#[utoipa::path(get, path = "/v1/models", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<Model>)))]
pub(crate) async fn models(State(app): State<App>, Params(part): Params<Part>) -> Answer<List<Model>> {
    Ok(list(app.backend.database.models(&part.into()).await?))
}

/// The model that serves.
#[utoipa::path(get, path = "/v1/models/champion", responses((status = 200, body = Champion), (status = 503, body = Problem)))]
pub(crate) async fn champion(State(app): State<App>) -> Answer<Champion> {
    app.backend
        .database
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
    app.backend
        .database
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
    Ok(list(app.backend.database.promotions(&part.into()).await?))
}

/// Dataset versions, newest first.
#[utoipa::path(get, path = "/v1/datasets", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<Dataset>)))]
pub(crate) async fn datasets(State(app): State<App>, Params(part): Params<Part>) -> Answer<List<Dataset>> {
    Ok(list(app.backend.database.datasets(&part.into()).await?))
}

/// Training runs, the last started first.
#[utoipa::path(get, path = "/v1/runs", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<TrainingRun>)))]
pub(crate) async fn runs(State(app): State<App>, Params(part): Params<Part>) -> Answer<List<TrainingRun>> {
    Ok(list(app.backend.database.runs(&part.into()).await?))
}

/// One training run.
#[utoipa::path(get, path = "/v1/runs/{id}", params(("id" = String, Path)), responses((status = 200, body = TrainingRun), (status = 404, body = Problem)))]
pub(crate) async fn run(State(app): State<App>, Path(id): Path<String>) -> Answer<TrainingRun> {
    let missing = || Problem::not_found("such training run");
    let id = id.parse().map_err(|_| missing())?;
    app.backend.database.run(id).await?.map(Json).ok_or_else(missing)
}

/// Data files, the last judged first.
#[utoipa::path(get, path = "/v1/files", params(Part), responses((status = 422, body = Problem), (status = 200, body = List<DataFile>)))]
pub(crate) async fn files(State(app): State<App>, Params(part): Params<Part>) -> Answer<List<DataFile>> {
    Ok(list(app.backend.database.data_files(&part.into()).await?))
}

/// One data file's report.
#[utoipa::path(get, path = "/v1/files/{sha256}", params(("sha256" = String, Path)), responses((status = 200, body = DataFile), (status = 404, body = Problem)))]
pub(crate) async fn file(State(app): State<App>, Path(sha256): Path<String>) -> Answer<DataFile> {
    let missing = || Problem::not_found("such data file");
    let sha256 = sha256.parse().map_err(|_| missing())?;
    app.backend
        .database
        .data_file(sha256)
        .await?
        .map(Json)
        .ok_or_else(missing)
}
