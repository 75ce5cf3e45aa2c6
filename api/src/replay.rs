//! Recorded answers, made again by a model of any time. Nothing that serves is touched.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use domain::{ModelVersion, traffic::TrafficRecord};
use model::Artifact;
use serde_json::Value;
use storage::{Database, Store, promotions::ModelRef};
use uuid::Uuid;

use crate::{
    input::{JsonText, query},
    neighbours,
    routes::{
        predictions::{batch, one},
        similar,
    },
    serving::{Served, index_of},
};

const ONE: &str = "/v1/predictions";
const BATCH: &str = "/v1/predictions/batch";
const SIMILAR: &str = "/v1/diamonds/similar";
/// How many of the largest moves are told, and of the requests that cannot be priced.
const WORST: usize = 10;

/// Everything that this model's prices are made from; neighbours are none of it.
pub(crate) async fn model(
    database: &Database,
    store: &Store,
    version: ModelVersion,
) -> anyhow::Result<Arc<Served>> {
    let (reference, artifact) = loaded(database, store, version).await?;
    let none = neighbours::Builder::default().build();
    Ok(Arc::new(Served::again(&reference, artifact, none)))
}

/// Everything that the answer on this record was made from.
pub(crate) async fn moment(
    database: &Database,
    store: &Store,
    record: &TrafficRecord,
) -> anyhow::Result<Arc<Served>> {
    let version = record.model_version.context("no model answered that request")?;
    if record.path != SIMILAR {
        return model(database, store, version).await;
    }
    let (reference, artifact) = loaded(database, store, version).await?;
    let samples = index_of(database, store, reference.dataset_version).await?;
    Ok(Arc::new(Served::again(&reference, artifact, samples)))
}

async fn loaded(
    database: &Database,
    store: &Store,
    version: ModelVersion,
) -> anyhow::Result<(ModelRef, Artifact)> {
    let reference = database.model_ref(version).await?;
    let reference = reference.with_context(|| format!("there is no model version {version}"))?;
    let bytes = store.artifact(reference.artifact).await?;
    let artifact = Artifact::load(bytes).context("the artifact is not usable")?;
    Ok((reference, artifact))
}

/// The bytes that `served` answers to a recorded request.
pub(crate) fn answer(record: &TrafficRecord, served: &Served) -> anyhow::Result<Vec<u8>> {
    ensure!(
        record.request_body.digest.is_none(),
        "the body of request {} is not kept",
        record.id
    );
    let body = JsonText::of(record.request_body.bytes.clone());
    let answered = match record.path.as_str() {
        ONE => query(record.query.as_deref().unwrap_or_default()).and_then(|wanted| {
            let diamond = body.read()?;
            one::answer(record.id, served, &diamond, wanted)
        }),
        BATCH => batch::answer(record.id, served, &body),
        SIMILAR => query(record.query.as_deref().unwrap_or_default())
            .and_then(|wanted| similar::answer(served, &wanted)),
        path => bail!(
            "only prices and similar samples are made again, and request {} asked for {path}",
            record.id
        ),
    };
    answered.map_err(|problem| anyhow::anyhow!("request {} is refused: {}", record.id, problem.detail()))
}

/// A price that would have been another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Move {
    pub(crate) request: Uuid,
    pub(crate) before: f64,
    pub(crate) after: f64,
}

impl Move {
    fn dollars(&self) -> f64 {
        (self.after - self.before).abs()
    }
}

/// How prices would have moved. Bounded: equal moves, in cents, are counted together.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    by_cents: BTreeMap<u64, u64>,
    prices: u64,
    pub(crate) worst: Vec<Move>,
    /// Requests that the model cannot price, or whose bodies are not kept.
    pub(crate) unpriced: u64,
    /// Some of these, and why.
    pub(crate) reasons: Vec<String>,
}

impl Moves {
    /// Adds the prices of one request, or the reason why there are none.
    pub(crate) fn add(&mut self, record: &TrafficRecord, served: &Served) {
        match moves(record, served) {
            Ok(moves) => moves.into_iter().for_each(|it| self.count(it)),
            Err(why) => self.skip(record, &why),
        }
    }

    fn skip(&mut self, record: &TrafficRecord, why: &anyhow::Error) {
        self.unpriced += 1;
        if self.reasons.len() < WORST {
            self.reasons.push(format!("{}: {why:#}", record.id));
        }
    }

    fn count(&mut self, it: Move) {
        self.prices += 1;
        *self
            .by_cents
            .entry((it.dollars() * 100.0).round() as u64)
            .or_default() += 1;
        self.worst.push(it);
        self.worst.sort_by(|a, b| b.dollars().total_cmp(&a.dollars()));
        self.worst.truncate(WORST);
    }

    /// How many prices there were.
    pub(crate) fn count_of_prices(&self) -> u64 {
        self.prices
    }

    /// The move that this share of all moves does not exceed, in dollars.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.prices as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.by_cents.iter().find(|(_, count)| {
            seen += **count;
            seen >= wanted
        });
        found.map_or(0.0, |(cents, _)| *cents as f64 / 100.0)
    }
}

/// Each price of one request, as it was and as it would be.
fn moves(record: &TrafficRecord, served: &Served) -> anyhow::Result<Vec<Move>> {
    let after = prices(&serde_json::from_slice(&answer(record, served)?)?);
    let before = serde_json::from_slice(&record.response_body.bytes);
    let before = prices(&before.context("the recorded answer is not kept whole")?);
    ensure!(
        before.len() == after.len(),
        "the recorded answer has another number of prices"
    );
    let both = before.into_iter().zip(after);
    Ok(both
        .map(|(before, after)| Move {
            request: record.id,
            before,
            after,
        })
        .collect())
}

/// The price of an answer, or the prices of a batch.
fn prices(answer: &Value) -> Vec<f64> {
    let many = answer["predictions"].as_array().into_iter().flatten();
    std::iter::once(answer)
        .chain(many)
        .filter_map(|it| it["price"].as_f64())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moves_are_told_by_their_quantiles_and_the_ten_largest() {
        let mut moves = Moves::default();
        for dollars in 1..=100 {
            moves.count(Move {
                request: Uuid::nil(),
                before: 1000.0,
                after: 1000.0 - f64::from(dollars),
            });
        }
        assert_eq!(
            (moves.quantile(0.5), moves.quantile(0.95), moves.quantile(1.0)),
            (50.0, 95.0, 100.0)
        );
        let worst: Vec<_> = moves.worst.iter().map(Move::dollars).collect();
        assert_eq!(worst, (91..=100).rev().map(f64::from).collect::<Vec<_>>());
        assert_eq!(Moves::default().quantile(0.5), 0.0);
    }

    #[test]
    fn the_prices_of_one_and_of_many_are_found() {
        assert_eq!(prices(&json!({"price": 1.5})), [1.5]);
        assert_eq!(
            prices(&json!({"predictions": [{"price": 1.0}, {"price": 2.0}]})),
            [1.0, 2.0]
        );
    }
}
