//! `GET /v1/models/champion`: the model that serves, or that did at a time.

use axum::Json;
use chrono::{DateTime, Utc};
use domain::model::Champion;
use utoipa::IntoParams;

use super::super::list::Answer;
use crate::{
    input::{Faults, FromQuery, Params, Query},
    problem::Problem,
    registry::Registry,
};

/// When.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct When {
    /// The moment; now when left out.
    #[param(example = "2036-01-31T12:00:00Z")]
    at: Option<DateTime<Utc>>,
}

impl FromQuery for When {
    fn known() -> Vec<&'static str> {
        vec!["at"]
    }

    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
        let at = query.time("at", faults)?;
        Some(Self { at })
    }
}

/// Show the champion
///
/// The model that answers, with the promotion that made it so, and whether it is frozen.
#[utoipa::path(get, path = "/v1/models/champion", tag = "models", operation_id = "champion", params(When),
    responses((status = 200, description = "The champion", body = Champion)))]
pub(crate) async fn champion(Params(when): Params<When>, registry: Registry) -> Answer<Champion> {
    match when.at {
        None => registry.champion().await?.map(Json).ok_or_else(Problem::no_model),
        Some(at) => {
            let then = || Problem::not_found("champion at that time: the first was promoted later");
            registry.champion_at(at).await?.map(Json).ok_or_else(then)
        }
    }
}
