//! `POST /v1/models/{version}/promote`, `/v1/models/rollback`: an operator chooses the champion.
//!
//! The artifact is loaded and checked, and the dataset version's batches looked for, before anything is committed:
//! a champion that no API could serve is refused with its reason.

use axum::{Json, extract::State};
use domain::{
    key::ApiKey,
    model::{Action, Champion},
};
use model::Artifact;
use storage::{
    StorageError,
    promoting::{ByHand, Decided},
    promotions::{ModelRef, Reign},
};

use super::{
    super::{decisions::Why, list::Answer},
    missing,
};
use crate::{
    access::Operator,
    input::{JsonBody, Params, Segment, canonical},
    problem::Problem,
    service::App,
    serving::LoadError,
};

/// How often a decision is tried anew because the gate decided meanwhile.
const TRIES: usize = 3;
const NOWHERE: &str =
    "there is no champion before this one to go back to; promote the model that shall serve by its version";

/// Make a model champion
///
/// It is served within a second, and until the gate finds a better one. Its artifact is checked first.
#[utoipa::path(post, path = "/v1/models/{version}/promote", tag = "operators", operation_id = "promote",
    params(("version" = u32, Path, description = "The model version.", minimum = 1, example = 3)),
    request_body = Why, security(("operator_key" = [])),
    responses((status = 200, description = "The new champion", body = Champion)))]
pub(crate) async fn promote(
    State(app): State<App>,
    Operator(key): Operator,
    Segment(version): Segment,
    Params(()): Params<()>,
    JsonBody(why): JsonBody<Why>,
) -> Answer<Champion> {
    let version = canonical(&version).ok_or_else(missing)?;
    let registry = app.registry()?;
    let model = registry.model_ref(version).await?.ok_or_else(missing)?;
    for _ in 0..TRIES {
        let reign = registry.reign().await?;
        let champion = registry.champion_ref().await?.map(|champion| champion.version);
        if champion == Some(version) {
            return Err(Problem::conflict(format!("model {version} is champion already")));
        }
        if decided(&app, &model, Action::Promote, reign, &key, &why).await? {
            return answer(&app).await;
        }
    }
    Err(moved())
}

/// Go back to the champion before
///
/// It is frozen then, so that the next file does not undo it; unfreeze it when the gate may decide again.
#[utoipa::path(post, path = "/v1/models/rollback", tag = "operators", operation_id = "rollback",
    request_body = Why, security(("operator_key" = [])),
    responses((status = 200, description = "The new champion, frozen", body = Champion)))]
pub(crate) async fn rollback(
    State(app): State<App>,
    Operator(key): Operator,
    Params(()): Params<()>,
    JsonBody(why): JsonBody<Why>,
) -> Answer<Champion> {
    for _ in 0..TRIES {
        let target = app.registry()?.rollback_target().await?;
        let (model, reign) = target.ok_or_else(|| Problem::conflict(NOWHERE))?;
        if decided(&app, &model, Action::Rollback, reign, &key, &why).await? {
            return answer(&app).await;
        }
    }
    Err(moved())
}

/// Commits a decision; false when another champion came between.
async fn decided(
    app: &App,
    model: &ModelRef,
    action: Action,
    reign: Reign,
    key: &ApiKey,
    why: &Why,
) -> Result<bool, Problem> {
    let checked = check(app, model).await?;
    app.serving.hold(model.artifact, checked);
    let decided = Decided {
        by: &key.name,
        reason: why.reason(),
    };
    let done = app
        .registry()?
        .promote_by_hand(model, action, reign, decided)
        .await?;
    Ok(matches!(done, ByHand::Promoted(_)))
}

/// Whether a model could be served: a conflict says why not.
async fn check(app: &App, model: &ModelRef) -> Result<Artifact, Problem> {
    let version = model.version;
    let unusable = |why: &str| Problem::conflict(format!("model {version} cannot be served: {why}"));
    let loaded = app.serving.check(&app.backend.store, model.artifact).await;
    let checked = loaded.map_err(|error| match error {
        LoadError::Store(StorageError::MissingObject(_)) => unusable("its artifact is missing"),
        LoadError::Store(StorageError::DamagedObject { .. }) => unusable("its artifact is damaged"),
        LoadError::Store(error) => error.into(),
        LoadError::Unusable(error) => {
            let why = format!("its artifact is not usable: {:#}", anyhow::Error::new(error));
            unusable(&why)
        }
        LoadError::Broken(_) => Problem::broken(),
    })?;
    for batch in app.registry()?.batches(model.dataset_version).await?.batches {
        if app.backend.store.kept_batch(batch).await?.is_none() {
            let batch = batch.short();
            return Err(unusable(&format!(
                "rows that it was trained on are gone (batch {batch})"
            )));
        }
    }
    Ok(checked)
}

/// Who is champion now; everybody is woken up to serve it.
async fn answer(app: &App) -> Answer<Champion> {
    app.backend.relay_now();
    app.look.notify_one();
    let champion = app.registry()?.champion().await?;
    champion.map(Json).ok_or_else(Problem::no_model)
}

fn moved() -> Problem {
    Problem::conflict("the champion changed meanwhile: look at it, and decide again")
}
