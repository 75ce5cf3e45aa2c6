//! `POST /v1/predictions/batch`: the prices of many diamonds, all by one model.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use domain::PartialDiamond;
use model::pauses::pause;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    json::{AnsweringModel, DiamondJson},
    price::{NoPrice, Quote, quote},
};
use crate::{
    access::{Caller, Rate},
    input::{Faults, Fields, FromJson, Json, JsonText, Params, Place, diamond},
    problem::Problem,
    record::{Ticket, answered},
    service::App,
    serving::Served,
    work::LargePlace,
};

const MOST_DIAMONDS: usize = 10_000;
/// Diamonds that are priced in one go: less than a millisecond's work, after which others have their turn.
const PIECE: usize = 128;
/// Of a body that may hold no more than a piece; a longer one takes a place of those for batches before it is read.
const SMALL_BYTES: usize = 32 << 10;

/// Diamonds to price.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Batch)]
#[expect(
    dead_code,
    reason = "it describes JSON that is read by hand, for the sake of all its faults"
)]
pub(crate) struct BatchJson {
    /// Up to 10,000.
    #[schema(min_items = 1, max_items = 10_000)]
    diamonds: Vec<DiamondJson>,
}

struct Batch(Vec<PartialDiamond>);

/// Prices.
#[derive(Serialize, ToSchema)]
pub(crate) struct Predictions {
    /// Identity of this answer and of its traffic record; also the header `x-request-id`.
    #[schema(example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88")]
    id: Uuid,
    /// One for each diamond, in their order.
    predictions: Vec<Quote>,
    /// Always USD.
    #[schema(example = "USD")]
    currency: &'static str,
    /// The model that answered all of them.
    model: AnsweringModel,
}

impl FromJson for Batch {
    fn from_json(json: &Json, place: &Place, faults: &mut Faults) -> Option<Self> {
        let fields = Fields::of(json, place, &["diamonds"], faults)?;
        let list = fields.required("diamonds", "a list of 1 to 10000 diamonds", faults)?;
        let place = fields.at("diamonds");
        let Json::List(items) = list else {
            faults.add(
                &place,
                format!("diamonds has to be a list of diamonds, and is {}", list.what()),
            );
            return None;
        };
        if !(1..=MOST_DIAMONDS).contains(&items.len()) {
            let found = items.len();
            faults.add(
                &place,
                format!("diamonds has to hold 1 to {MOST_DIAMONDS} diamonds, and holds {found}"),
            );
            return None;
        }
        let read = items.iter().enumerate();
        let read = read.filter_map(|(position, item)| diamond(item, &Place::Item(&place, position), faults));
        Some(Self(read.collect()))
    }
}

/// Price many diamonds
///
/// One model answers for all of them. A diamond that is wrong is named by its place: `/diamonds/3/carat`.
///
/// Where requests are limited, every 50 diamonds count as one, and a batch as no more than half of what is allowed.
#[utoipa::path(post, path = "/v1/predictions/batch", tag = "prices", operation_id = "predictBatch",
    request_body = BatchJson, responses((status = 200, description = "The prices", body = Predictions)))]
pub(crate) async fn predict_batch(
    State(app): State<App>,
    Params(()): Params<()>,
    Extension(Ticket { id, .. }): Extension<Ticket>,
    caller: Caller,
    body: JsonText,
) -> Result<Response, Problem> {
    let served = app.serving.current().ok_or_else(Problem::no_model)?;
    let version = served.champion.version;
    let (place, Batch(diamonds)) = read(&app, &caller, body).await?;
    let rate = app.rates.of_batch(caller.counted(), diamonds.len());
    if let Some(Rate::Exceeded(exceeded)) = rate {
        return Ok(exceeded.refused());
    }
    let answer = match place {
        // It waits like any price: for that its caller needs no share.
        None if diamonds.len() <= PIECE => {
            let piece = move || write(id, &served, price(&served, diamonds.iter()));
            app.pool.run(piece).await??
        }
        None => in_pieces(app.pool.large(caller.counted()).await?, id, served, diamonds).await?,
        Some(place) => in_pieces(place, id, served, diamonds).await?,
    };
    let mut response = answered(version, answer).into_response();
    if let Some(rate) = rate {
        rate.tell(response.headers_mut());
    }
    Ok(response)
}

/// Reads a batch; a large one in a place for those.
async fn read(app: &App, caller: &Caller, body: JsonText) -> Result<(Option<LargePlace>, Batch), Problem> {
    if body.length() <= SMALL_BYTES {
        let batch = app.pool.run(move || body.read()).await??;
        return Ok((None, batch));
    }
    let place = app.pool.large(caller.counted()).await?;
    let batch = place.piece(move || body.read()).await??;
    Ok((Some(place), batch))
}

/// The answer's bytes, made in pieces.
async fn in_pieces(
    place: LargePlace,
    id: Uuid,
    served: Arc<Served>,
    diamonds: Vec<PartialDiamond>,
) -> Result<Vec<u8>, Problem> {
    let mut quotes = Vec::with_capacity(diamonds.len());
    let diamonds = Arc::new(diamonds);
    for begin in (0..diamonds.len()).step_by(PIECE) {
        let (served, diamonds) = (Arc::clone(&served), Arc::clone(&diamonds));
        let piece = move || price(&served, diamonds.iter().skip(begin).take(PIECE));
        quotes.append(&mut place.piece(piece).await?);
    }
    place.piece(move || write(id, &served, quotes)).await?
}

/// The answer's bytes; they follow from these alone.
pub(crate) fn answer(id: Uuid, served: &Served, body: &JsonText) -> Result<Vec<u8>, Problem> {
    let Batch(diamonds) = body.read()?;
    write(id, served, price(served, diamonds.iter()))
}

fn price<'d>(
    served: &Served,
    diamonds: impl Iterator<Item = &'d PartialDiamond>,
) -> Vec<Result<Quote, NoPrice>> {
    let quote = |diamond| {
        pause();
        quote(served, diamond)
    };
    diamonds.map(quote).collect()
}

fn write(id: Uuid, served: &Served, quotes: Vec<Result<Quote, NoPrice>>) -> Result<Vec<u8>, Problem> {
    let mut faults = Faults::default();
    let place = Place::Field(&Place::Root, "diamonds");
    let mut predictions = Vec::with_capacity(quotes.len());
    for (position, quote) in quotes.into_iter().enumerate() {
        match quote {
            Ok(quote) => predictions.push(quote),
            Err(no_price) => faults.add(&Place::Item(&place, position), no_price.to_string()),
        }
    }
    faults.check()?;
    let answer = Predictions {
        id,
        predictions,
        currency: "USD",
        model: AnsweringModel::of(served),
    };
    serde_json::to_vec(&answer).map_err(|_| Problem::broken())
}
