//! `GET /v1/diamonds/similar`: the most similar training samples.

use axum::{extract::State, response::Response};
use domain::{Carat, Clarity, Color, Cut, DatasetVersion, Sample};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    input::{CARATS, Faults, FromQuery, Params, Place, Query, grade_text, quantity_value},
    problem::Problem,
    record::answered,
    service::App,
    serving::Served,
};

/// What to look for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Weight in carats.
    #[param(value_type = f64, exclusive_minimum = 0.0, maximum = 100.0, example = 1.1)]
    carat: Carat,
    /// Grade of the cut.
    #[param(example = "Ideal")]
    cut: Cut,
    /// Grade of the color.
    #[param(example = "H")]
    color: Color,
    /// Grade of the clarity.
    #[param(example = "SI2")]
    clarity: Clarity,
    /// How many; 5 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, example = 2)]
    n: u64,
}

impl FromQuery for Wanted {
    fn known() -> Vec<&'static str> {
        vec!["carat", "cut", "color", "clarity", "n"]
    }

    fn from_query(query: &Query, faults: &mut Faults) -> Option<Self> {
        let carat = query.required("carat", "the weight in carats, such as 1.1", faults);
        let carat = carat.and_then(|text| number(text, faults));
        let cut = grade::<Cut>(query, "cut", Cut::NAMES, faults);
        let color = grade::<Color>(query, "color", Color::NAMES, faults);
        let clarity = grade::<Clarity>(query, "clarity", Clarity::NAMES, faults);
        let n = query.whole("n", 1..=1000, 5, faults);
        Some(Self {
            carat: carat?,
            cut: cut?,
            color: color?,
            clarity: clarity?,
            n: n?,
        })
    }
}

fn number(text: &str, faults: &mut Faults) -> Option<Carat> {
    let place = Place::Parameter("carat");
    match text.parse() {
        Ok(number) => quantity_value(number, "carat", &CARATS, &place, faults),
        Err(_) => {
            faults.add(&place, "carat has to be a number such as 1.1");
            None
        }
    }
}

fn grade<T: std::str::FromStr<Err = domain::grade::UnknownGrade>>(
    query: &Query,
    name: &'static str,
    grades: &[&str],
    faults: &mut Faults,
) -> Option<T> {
    let what = format!("one of {}", grades.join(", "));
    let text = query.required(name, &what, faults)?;
    grade_text(text, &Place::Parameter(name), faults)
}

/// Samples of the same grades, nearest carat first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Similar {
    /// The nearest by carat, ties by lower carat, then in the dataset's order.
    samples: Vec<SampleJson>,
    /// How many samples have these grades.
    #[schema(example = 37)]
    matching: usize,
    /// The dataset version they come from: the one that the serving model was trained on.
    #[schema(value_type = u32, example = 2)]
    dataset_version: DatasetVersion,
}

/// A diamond with its price.
#[derive(Serialize, ToSchema)]
struct SampleJson {
    /// Weight in carats.
    #[schema(example = 1.1)]
    carat: f64,
    cut: Cut,
    color: Color,
    clarity: Clarity,
    /// Total depth in percent.
    #[schema(example = 62.0)]
    depth: f64,
    /// Table in percent.
    #[schema(example = 55.0)]
    table: f64,
    /// Length in millimeters.
    #[schema(example = 6.61)]
    x: f64,
    /// Width in millimeters.
    #[schema(example = 6.65)]
    y: f64,
    /// Height in millimeters.
    #[schema(example = 4.11)]
    z: f64,
    /// What it was sold for, in US dollars.
    #[schema(example = 4733.0)]
    price: f64,
}

/// Find similar diamonds
///
/// Diamonds of the same cut, color and clarity that the serving model was trained on, with their prices.
#[utoipa::path(get, path = "/v1/diamonds/similar", tag = "prices", operation_id = "similar", params(Wanted),
    responses((status = 200, description = "The nearest first", body = Similar)))]
pub(crate) async fn similar(
    State(app): State<App>,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    let served = app.serving.current().ok_or_else(Problem::no_model)?;
    let answer = answer(&served, &wanted)?;
    Ok(answered(served.champion.version, answer))
}

/// The answer's bytes; they follow from these alone.
pub(crate) fn answer(served: &Served, wanted: &Wanted) -> Result<Vec<u8>, Problem> {
    let grades = (wanted.cut, wanted.color, wanted.clarity);
    let n = usize::try_from(wanted.n).unwrap_or(usize::MAX);
    let (samples, matching) = served.neighbours.nearest(wanted.carat, grades, n);
    let answer = Similar {
        samples: samples.into_iter().map(json).collect(),
        matching,
        dataset_version: served.champion.dataset_version,
    };
    serde_json::to_vec(&answer).map_err(|_| Problem::broken())
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
