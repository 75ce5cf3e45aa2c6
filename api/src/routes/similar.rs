//! `GET /v1/diamonds/similar`: the most similar training samples.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{Carat, Clarity, Color, Cut, DatasetVersion, Sample};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    problem::{Fault, Params, Problem},
    record::AnsweredBy,
    service::App,
};

/// What to look for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Weight in carats.
    carat: f64,
    /// Grade of the cut.
    cut: String,
    /// Grade of the color.
    color: String,
    /// Grade of the clarity.
    clarity: String,
    /// How many, 1 to 1000.
    #[serde(default = "five")]
    n: usize,
}

fn five() -> usize {
    5
}

/// Samples of the same grades, nearest carat first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Similar {
    samples: Vec<SampleJson>,
    /// How many samples have these grades.
    matching: usize,
    /// The dataset version they come from.
    #[schema(value_type = u32)]
    dataset_version: DatasetVersion,
}

/// A diamond with its price in US dollars.
#[derive(Serialize, ToSchema)]
struct SampleJson {
    carat: f64,
    cut: Cut,
    color: Color,
    clarity: Clarity,
    depth: f64,
    table: f64,
    x: f64,
    y: f64,
    z: f64,
    price: f64,
}

/// Similar training samples.
#[utoipa::path(get, path = "/v1/diamonds/similar", params(Wanted), responses(
    (status = 200, body = Similar), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn similar(
    State(app): State<App>,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    let (carat, grades) = check(&wanted)?;
    let served = app.serving.current().ok_or_else(Problem::no_model)?;
    let (samples, matching) = served.neighbours.nearest(carat, grades, wanted.n);
    let samples = samples.into_iter().map(json).collect();
    let answer = Similar {
        samples,
        matching,
        dataset_version: served.champion.dataset_version,
    };
    let mut response = Json(answer).into_response();
    response
        .extensions_mut()
        .insert(AnsweredBy(served.champion.version));
    Ok(response)
}

fn check(wanted: &Wanted) -> Result<(Carat, (Cut, Color, Clarity)), Problem> {
    let fault = |name: &str, detail: String| {
        Problem::invalid(vec![Fault {
            pointer: name.to_owned(),
            detail,
        }])
    };
    if !(1..=1000).contains(&wanted.n) {
        return Err(fault("n", "n must be from 1 to 1000".to_owned()));
    }
    let carat = Carat::try_from(wanted.carat).map_err(|error| fault("carat", format!("carat {error}")))?;
    let cut = wanted
        .cut
        .parse::<Cut>()
        .map_err(|error| fault("cut", error.to_string()))?;
    let color = wanted
        .color
        .parse::<Color>()
        .map_err(|error| fault("color", error.to_string()))?;
    let clarity = wanted
        .clarity
        .parse::<Clarity>()
        .map_err(|error| fault("clarity", error.to_string()))?;
    Ok((carat, (cut, color, clarity)))
}

fn json(sample: Sample) -> SampleJson {
    let diamond = sample.diamond;
    SampleJson {
        carat: diamond.carat.get(),
        cut: diamond.cut,
        color: diamond.color,
        clarity: diamond.clarity,
        depth: diamond.depth.get(),
        table: diamond.table.get(),
        x: diamond.x.get(),
        y: diamond.y.get(),
        z: diamond.z.get(),
        price: sample.price.get(),
    }
}
