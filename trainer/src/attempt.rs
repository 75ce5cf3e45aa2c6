//! One attempt at one run: samples in, committed model out, the lease renewed meanwhile.

use std::time::Duration;

use domain::{Sample, metrics::Metrics, model::ArtifactRef};
use model::{
    learn::{self, LearnError, Settings},
    score, split,
};
use serde_json::Value;
use storage::{
    StorageError,
    run_claim::Lease,
    run_finish::{Finish, Trained},
};
use tracing::info;

use crate::{gate, worker::Worker};

const WAIT: Duration = Duration::from_secs(1);
const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why an attempt made no model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// The run is another trainer's by now.
    #[error("the lease is lost")]
    LeaseLost,
    /// These samples allow no model.
    #[error("{0}")]
    Useless(String),
    /// Something else went wrong; another try may succeed.
    #[error("{0}")]
    Failed(String),
}

/// A model that is not committed yet.
pub(crate) struct Learned {
    pub(crate) predictor: model::Predictor,
    artifact: Vec<u8>,
    parameters: Value,
    metrics: Metrics,
}

/// Trains and commits; waits out servers that are away, without counting that as a failure.
pub(crate) async fn run(worker: &Worker, lease: &Lease, log: &mut Vec<String>) -> Result<(), AttemptError> {
    tokio::select! {
        ended = patiently(worker, lease, log) => ended,
        () = until_lost(worker, lease) => Err(AttemptError::LeaseLost),
    }
}

async fn patiently(worker: &Worker, lease: &Lease, log: &mut Vec<String>) -> Result<(), AttemptError> {
    loop {
        match train(worker, lease, log).await {
            Ok(ended) => return ended,
            Err(error) if error.is_unavailable() => tokio::time::sleep(WAIT).await,
            Err(error) => return Err(AttemptError::Failed(error.to_string())),
        }
    }
}

/// Renews the lease until it is lost; Postgres being away is no loss, for nobody can take the run then.
async fn until_lost(worker: &Worker, lease: &Lease) {
    loop {
        tokio::time::sleep(worker.terms.lease / 3).await;
        if let Ok(false) = worker
            .backend
            .database
            .renew_lease(lease, worker.terms.lease)
            .await
        {
            return;
        }
    }
}

async fn train(
    worker: &Worker,
    lease: &Lease,
    log: &mut Vec<String>,
) -> Result<Result<(), AttemptError>, StorageError> {
    let samples = worker
        .backend
        .database
        .samples(&worker.backend.store, lease.dataset_version)
        .await?;
    log.push(format!(
        "attempt {}: {} samples of dataset version {}",
        lease.attempt,
        samples.len(),
        lease.dataset_version
    ));
    let (kind, settings) = (lease.kind, worker.settings(lease));
    let learned = tokio::task::spawn_blocking(move || learn(kind, &samples, &settings)).await;
    let learned = match learned {
        Ok(Ok(learned)) => learned,
        Ok(Err(error)) => return Ok(Err(error)),
        Err(panic) => {
            return Ok(Err(AttemptError::Failed(format!(
                "the learner broke down: {panic}"
            ))));
        }
    };
    let holdout = &learned.metrics.holdout.errors;
    log.push(format!(
        "holdout MAE {:.2} USD over {} samples",
        holdout.mae, holdout.n
    ));
    commit(worker, lease, &learned, log).await
}

fn learn(kind: domain::ModelKind, samples: &[Sample], settings: &Settings) -> Result<Learned, AttemptError> {
    let sides = split(samples);
    let useless = |error: LearnError| AttemptError::Useless(error.to_string());
    let trained = learn::train(kind, &sides.training, settings).map_err(useless)?;
    let artifact = trained.artifact.to_bytes();
    let predictor = trained.artifact.into_predictor();
    let none = || AttemptError::Useless("no sample fell on the holdout side; drop more rows".to_owned());
    let holdout = score(&predictor, &sides.holdout).ok_or_else(none)?;
    let train = score(&predictor, &sides.training).ok_or_else(none)?;
    Ok(Learned {
        predictor,
        artifact,
        parameters: trained.parameters,
        metrics: Metrics { holdout, train },
    })
}

async fn commit(
    worker: &Worker,
    lease: &Lease,
    learned: &Learned,
    log: &[String],
) -> Result<Result<(), AttemptError>, StorageError> {
    let sha256 = worker
        .backend
        .store
        .put_artifact(learned.artifact.clone())
        .await?;
    loop {
        let (judged_against, judgement) = gate::judge(worker, &learned.predictor).await?;
        let trained = Trained {
            artifact: ArtifactRef {
                sha256,
                bytes: learned.artifact.len() as u64,
            },
            parameters: &learned.parameters,
            metrics: &learned.metrics,
            code_version: CODE_VERSION,
            log,
            judged_against,
        };
        let promoted = judgement.promoted();
        let verdict = |version| judgement.into_verdict(version);
        match worker
            .backend
            .database
            .finish_run(lease, &trained, verdict, worker.clock.now())
            .await?
        {
            Finish::Committed(version) => {
                info!(run.id = %lease.run_id, model.version = version.get(), promoted, "the run made a model");
                metrics::counter!("lapidary_models_total", "kind" => lease.kind.name()).increment(1);
                return Ok(Ok(()));
            }
            Finish::LeaseLost => return Ok(Err(AttemptError::LeaseLost)),
            Finish::ChampionMoved => {}
        }
    }
}
