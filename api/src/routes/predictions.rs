//! `POST /v1/predictions`: the price of a diamond.

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{Clarity, Color, Cut, DatasetVersion, ModelKind, ModelVersion, OutOfRange, PartialDiamond};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    body::JsonBody,
    problem::{Fault, Problem},
    record::{AnsweredBy, RequestId},
    service::App,
};

/// A diamond; the measures may be left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Weight in carats.
    #[schema(example = 1.1)]
    carat: f64,
    /// Fair, Good, Very Good, Premium or Ideal.
    #[schema(example = "Ideal")]
    cut: String,
    /// J (worst) to D.
    #[schema(example = "H")]
    color: String,
    /// I1 (worst), SI2, SI1, VS2, VS1, VVS2, VVS1 or IF.
    #[schema(example = "SI2")]
    clarity: String,
    /// Total depth in percent.
    depth: Option<f64>,
    /// Table in percent.
    table: Option<f64>,
    /// Length in millimeters.
    #[schema(example = 6.61)]
    x: Option<f64>,
    /// Width in millimeters.
    y: Option<f64>,
    /// Height in millimeters.
    z: Option<f64>,
}

/// A price.
#[derive(Serialize, ToSchema)]
pub(crate) struct Prediction {
    /// Identity of this answer.
    id: Uuid,
    /// The price.
    price: f64,
    /// Always USD.
    currency: &'static str,
    /// Features outside what the model was trained on.
    unusual: Vec<&'static str>,
    /// The model that answered.
    model: AnsweringModel,
}

/// The model that answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnsweringModel {
    #[schema(value_type = u32)]
    version: ModelVersion,
    kind: ModelKind,
    #[schema(value_type = u32)]
    dataset_version: DatasetVersion,
}

/// Price of a diamond.
#[utoipa::path(post, path = "/v1/predictions", request_body = Request, responses(
    (status = 200, body = Prediction), (status = 400, body = Problem), (status = 415, body = Problem),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn predict(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    JsonBody(request): JsonBody<Request>,
) -> Result<Response, Problem> {
    let diamond = diamond(&request).map_err(Problem::invalid)?;
    let served = app.serving.current().ok_or_else(Problem::no_model)?;
    let champion = served.champion;
    let price = (served.predictor.predict(&diamond) * 100.0).round() / 100.0;
    let answer = Prediction {
        id,
        price,
        currency: "USD",
        unusual: served.predictor.unusual(&diamond),
        model: AnsweringModel {
            version: champion.version,
            kind: champion.kind,
            dataset_version: champion.dataset_version,
        },
    };
    let mut response = Json(answer).into_response();
    response.extensions_mut().insert(AnsweredBy(champion.version));
    Ok(response)
}

fn diamond(request: &Request) -> Result<PartialDiamond, Vec<Fault>> {
    let mut faults = Vec::new();
    let carat = quantity("carat", Some(request.carat), &mut faults);
    let cut = grade::<Cut>("cut", &request.cut, &mut faults);
    let color = grade::<Color>("color", &request.color, &mut faults);
    let clarity = grade::<Clarity>("clarity", &request.clarity, &mut faults);
    let depth = quantity("depth", request.depth, &mut faults);
    let table = quantity("table", request.table, &mut faults);
    let x = quantity("x", request.x, &mut faults);
    let y = quantity("y", request.y, &mut faults);
    let z = quantity("z", request.z, &mut faults);
    match (carat, cut, color, clarity) {
        (Some(carat), Some(cut), Some(color), Some(clarity)) if faults.is_empty() => Ok(PartialDiamond {
            carat,
            cut,
            color,
            clarity,
            depth,
            table,
            x,
            y,
            z,
        }),
        _ => Err(faults),
    }
}

fn quantity<T: TryFrom<f64, Error = OutOfRange>>(
    field: &str,
    value: Option<f64>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let fault = |error: OutOfRange| Fault {
        pointer: format!("/{field}"),
        detail: format!("{field} {error}"),
    };
    T::try_from(value?)
        .map_err(|error| faults.push(fault(error)))
        .ok()
}

fn grade<T>(field: &str, text: &str, faults: &mut Vec<Fault>) -> Option<T>
where
    T: std::str::FromStr<Err = domain::grade::UnknownGrade>,
{
    let fault = |error: T::Err| Fault {
        pointer: format!("/{field}"),
        detail: error.to_string(),
    };
    text.parse().map_err(|error| faults.push(fault(error))).ok()
}
