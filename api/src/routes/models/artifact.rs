//! `GET /v1/models/{version}/artifact`: a model in its kind's own open form, for a notebook.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use model::Artifact;

use super::missing;
use crate::{
    access::Operator,
    input::{Params, Segment, canonical},
    problem::Problem,
    service::App,
};

/// Download a model
///
/// In its kind's own open form: the coefficients of a linear model, or the JSON that XGBoost loads.
#[utoipa::path(get, path = "/v1/models/{version}/artifact", tag = "operators", operation_id = "artifact",
    params(("version" = u32, Path, description = "The model version.", minimum = 1, example = 3)),
    security(("operator_key" = [])),
    responses((status = 200, description = "The model", content_type = "application/json", body = serde_json::Value,
        example = json!({"intercept": 0.65, "carat": -0.73, "x": 1.27, "cut": {"reference": "Fair", "effects": {"Ideal": 0.01}}}))))]
pub(crate) async fn artifact(
    State(app): State<App>,
    _: Operator,
    Segment(version): Segment,
    Params(()): Params<()>,
) -> Result<Response, Problem> {
    let version = canonical(&version).ok_or_else(missing)?;
    let model = app.registry()?.model_ref(version).await?.ok_or_else(missing)?;
    let bytes = app.backend.store.artifact(model.artifact).await?;
    let exported = app.pool.run(move || exported(&bytes)).await??;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"model-{version}.json\""),
        ),
    ];
    Ok((headers, exported).into_response())
}

fn exported(json: &[u8]) -> Result<Vec<u8>, Problem> {
    let model = Artifact::open_form(json);
    let model = model.map_err(|error| Problem::conflict(format!("{:#}", anyhow::Error::new(error))))?;
    Ok(model.as_bytes().to_vec())
}
