//! `POST /v1/models/freeze`, `/v1/models/unfreeze`: whether the gate may replace the champion.

use axum::{Json, extract::State};
use domain::model::Champion;
use storage::promoting::Decided;

use super::super::{decisions::Why, list::Answer};
use crate::{
    access::Operator,
    input::{JsonBody, Params},
    problem::Problem,
    service::App,
};

/// Freeze the champion
///
/// The gate still judges challengers, and promotes none. Freezing a frozen champion changes nothing.
#[utoipa::path(post, path = "/v1/models/freeze", tag = "operators", operation_id = "freeze",
    request_body = Why, security(("operator_key" = [])),
    responses((status = 200, description = "The champion, frozen", body = Champion)))]
pub(crate) async fn freeze(
    app: State<App>,
    operator: Operator,
    none: Params<()>,
    why: JsonBody<Why>,
) -> Answer<Champion> {
    set(true, app, operator, none, why).await
}

/// Unfreeze the champion
///
/// From now on the gate may replace it. Unfreezing one that is not frozen changes nothing.
#[utoipa::path(post, path = "/v1/models/unfreeze", tag = "operators", operation_id = "unfreeze",
    request_body = Why, security(("operator_key" = [])),
    responses((status = 200, description = "The champion, not frozen", body = Champion)))]
pub(crate) async fn unfreeze(
    app: State<App>,
    operator: Operator,
    none: Params<()>,
    why: JsonBody<Why>,
) -> Answer<Champion> {
    set(false, app, operator, none, why).await
}

async fn set(
    frozen: bool,
    State(app): State<App>,
    Operator(key): Operator,
    Params(()): Params<()>,
    JsonBody(why): JsonBody<Why>,
) -> Answer<Champion> {
    let registry = app.registry()?;
    let none = || Problem::conflict("there is no champion yet: drop a data file into the inbox first");
    registry.champion_ref().await?.ok_or_else(none)?;
    let decided = Decided {
        by: &key.name,
        reason: why.reason(),
    };
    registry.set_frozen(frozen, decided).await?;
    registry.champion().await?.map(Json).ok_or_else(none)
}
