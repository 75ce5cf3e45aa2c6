//! `POST /v1/predictions`: the price of a diamond.

use axum::{
    Extension,
    extract::{FromRequestParts as _, State},
    http::request::Parts,
    response::Response,
};
use domain::PartialDiamond;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    json::{AnsweringModel, DiamondJson, ReasonJson},
    price::{Quote, quote},
};
use crate::{
    around::Received,
    input::{Faults, FromQuery, JsonBody, JsonText, Params, Place, Query},
    problem::Problem,
    record::{Ticket, answered},
    service::App,
    serving::Served,
};

/// What a price without its reasons takes, generously: the text does not grow while it is written.
const ANSWER_BYTES: usize = 512;

/// How much shall be said.
#[derive(Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Whether to say what each feature adds to the price.
    #[param(value_type = Option<bool>, example = true)]
    explain: bool,
}

impl FromQuery for Wanted {
    fn known() -> Vec<&'static str> {
        vec!["explain"]
    }

    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
        let explain = query.flag("explain", faults)?;
        Some(Self { explain })
    }
}

/// A price.
#[derive(Serialize, ToSchema)]
pub(crate) struct Prediction {
    /// Identity of this answer and of its traffic record; also the header `x-request-id`.
    #[schema(example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")]
    id: Uuid,
    #[serde(flatten)]
    quote: Quote,
    /// What a diamond of which nothing is known would cost, in US dollars; there when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, example = 2406.12)]
    base: Option<f64>,
    /// What each feature adds to it, the largest effect first; base and effects add up to the price, to the cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<ReasonJson>, required = false)]
    reasons: Option<Vec<ReasonJson>>,
    /// Always USD.
    #[schema(example = "USD")]
    currency: &'static str,
    /// The model that answered.
    model: AnsweringModel,
}

/// Price a diamond
///
/// `carat`, `cut`, `color` and `clarity` are needed; measures that are left out are estimated by the model.
#[utoipa::path(post, path = "/v1/predictions", tag = "prices", operation_id = "predict", params(Wanted),
    request_body = DiamondJson, responses((status = 200, description = "The price", body = Prediction)))]
pub(crate) async fn predict(
    State(app): State<App>,
    Params(wanted): Params<Wanted>,
    Extension(Ticket { id, .. }): Extension<Ticket>,
    JsonBody(diamond): JsonBody<PartialDiamond>,
) -> Result<Response, Problem> {
    let served = app.serving.current().ok_or_else(Problem::no_model)?;
    let version = served.champion.version;
    let answer = match wanted.explain {
        // Many times the work of a price: not on the threads that answer requests.
        true => {
            app.pool
                .run(move || answer(id, &served, &diamond, wanted))
                .await??
        }
        false => answer(id, &served, &diamond, wanted)?,
    };
    Ok(answered(version, answer))
}

/// [`predict`] with what it takes from a request, as the router would hand it over.
pub(crate) async fn direct(app: App, mut head: Box<Parts>, body: Received) -> Result<Response, Problem> {
    let wanted = Params::from_request_parts(&mut head, &app).await?;
    let ticket = Extension::from_request_parts(&mut head, &app).await;
    let ticket = ticket.map_err(|_| Problem::broken())?;
    let diamond = JsonText::received(&head.headers, body).await?;
    let diamond = diamond.read_small("this is for one diamond; send many to /v1/predictions/batch")?;
    predict(State(app), wanted, ticket, JsonBody(diamond)).await
}

/// The answer's bytes; they follow from these alone.
pub(crate) fn answer(
    id: Uuid,
    served: &Served,
    diamond: &PartialDiamond,
    wanted: Wanted,
) -> Result<Vec<u8>, Problem> {
    let quote = quote(served, diamond).map_err(|no_price| {
        let mut faults = Faults::default();
        faults.add(&Place::Root, no_price.to_string());
        Problem::from(faults)
    })?;
    let why = wanted
        .explain
        .then(|| served.predictor.explain(diamond))
        .flatten();
    let (base, reasons) = why.map(|why| (why.base, why.reasons)).unzip();
    let reasons = reasons.map(|reasons| reasons.iter().map(ReasonJson::of).collect());
    let answer = Prediction {
        id,
        quote,
        base,
        reasons,
        currency: "USD",
        model: AnsweringModel::of(served),
    };
    let mut bytes = Vec::with_capacity(ANSWER_BYTES);
    serde_json::to_writer(&mut bytes, &answer).map_err(|_| Problem::broken())?;
    Ok(bytes)
}
