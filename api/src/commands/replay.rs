//! `api replay`: a recorded answer again, or recorded predictions through a model of any time.

use std::process::ExitCode;

use ::service::config;
use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use clap::Args;
use domain::ModelVersion;
use storage::{Database, Store, traffic::TrafficFilter};
use uuid::Uuid;

use crate::replay::{Moves, answer, model, moment};

/// Records of one part; the memory that a replay takes is bounded by it.
const PART: u64 = 500;
const PATHS: [&str; 2] = ["/v1/predictions", "/v1/predictions/batch"];

#[derive(Args)]
pub(super) struct Replay {
    /// Makes the answer to one recorded request again, with the model of its moment, and compares the bytes.
    #[arg(long, conflicts_with = "model", required_unless_present = "model")]
    request: Option<Uuid>,
    /// Sends all recorded predictions of a time through this model version, and tells how prices would have moved.
    #[arg(long)]
    model: Option<ModelVersion>,
    /// From this time on, such as 2026-01-31T12:00:00Z.
    #[arg(long, requires = "model")]
    since: Option<DateTime<Utc>>,
    /// Before this time.
    #[arg(long, requires = "model")]
    until: Option<DateTime<Utc>>,
}

impl Replay {
    pub(super) async fn run(self) -> ExitCode {
        super::ended(self.replay().await)
    }

    async fn replay(self) -> anyhow::Result<()> {
        let database = super::registry("api replay").await?;
        let store = Store::open(&config::load()?.store.url).context("cannot open the object store")?;
        match (self.request, self.model) {
            (Some(id), _) => request(&database, &store, id).await,
            (_, Some(version)) => self.compare(&database, &store, version).await,
            _ => Ok(()),
        }
    }

    async fn compare(self, database: &Database, store: &Store, version: ModelVersion) -> anyhow::Result<()> {
        let served = model(database, store, version).await?;
        let mut moves = Moves::default();
        for path in PATHS {
            let filter = TrafficFilter {
                since: self.since,
                until: self.until,
                path: Some(path.to_owned()),
                status: Some(200),
                model_version: None,
            };
            let mut after = None;
            loop {
                let records = database.traffic_after(&filter, after, PART).await?;
                let Some(last) = records.last() else { break };
                after = Some(last.id);
                for record in &records {
                    moves.add(record, &served);
                }
            }
        }
        print!("{}", told(&moves, version));
        ensure!(
            moves.unpriced == 0,
            "{} requests have no price by model version {version}, such as\n{}",
            moves.unpriced,
            moves.reasons.join("\n")
        );
        Ok(())
    }
}

async fn request(database: &Database, store: &Store, id: Uuid) -> anyhow::Result<()> {
    let record = database.traffic_record(id).await?;
    let record = record.with_context(|| format!("there is no record {id}"))?;
    let served = moment(database, store, &record).await?;
    let answered = answer(&record, &served)?;
    println!("{}", String::from_utf8_lossy(&answered));
    ensure!(
        answered == record.response_body.bytes,
        "on record is another answer: {}",
        String::from_utf8_lossy(&record.response_body.bytes)
    );
    let version = served.champion.version;
    eprintln!("the same bytes as on record, from model version {version}");
    Ok(())
}

fn told(moves: &Moves, version: ModelVersion) -> String {
    let mut text = format!(
        "{} prices by model version {version}: they would have moved by {:.2} dollars in the median, {:.2} at p95\n",
        moves.count_of_prices(),
        moves.quantile(0.5),
        moves.quantile(0.95),
    );
    for it in &moves.worst {
        text += &format!("{}  {:>12.2} -> {:>12.2}\n", it.request, it.before, it.after);
    }
    text
}
