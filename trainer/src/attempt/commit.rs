//! From a model in memory to a model version: stored, judged, committed.

use ::service::error::chain;
use backend::until_stopped;
use domain::{ModelVersion, model::ArtifactRef, verdict::Verdict};
use storage::{
    runs::claim::Lease,
    runs::finish::{Finish, Trained},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Learned, Patience, Trouble};
use crate::{gate, trainer::Trainer};

const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A model version, and what the gate said of it.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) version: ModelVersion,
    pub(crate) verdict: Verdict,
}

/// Stores the artifact, brings it before the gate, and commits all of it; judged again where the champion moved.
pub(super) async fn commit(
    trainer: &Trainer,
    lease: &Lease,
    learned: &Learned,
    log: &[String],
) -> Result<Committed, Trouble> {
    let (database, store) = (&trainer.backend.database, &trainer.backend.store);
    let bytes = learned.artifact.json().to_vec();
    let size = bytes.len() as u64;
    trainer.backend.check_store().await?;
    let sha256 = store.put_artifact(bytes).await?;
    loop {
        let (reign, judgement) = gate::judge(trainer, learned, sha256).await?;
        let trained = Trained {
            artifact: ArtifactRef { sha256, bytes: size },
            parameters: &learned.parameters,
            metrics: &learned.metrics,
            trials: &learned.trials,
            code_version: CODE_VERSION,
            log,
            judged_against: reign,
        };
        let verdict = |version| judgement.clone().into_verdict(version);
        match database.finish_run(lease, &trained, verdict).await? {
            Finish::Committed(version) => {
                let verdict = judgement.into_verdict(version);
                return Ok(tell(lease, version, verdict));
            }
            Finish::LeaseLost => return Err(Trouble::LeaseLost),
            Finish::ChampionMoved => {}
        }
    }
}

/// The model that this attempt committed although the answer of its COMMIT was lost. Waits for a Postgres that is away,
/// until `stop` and a few seconds more.
pub(super) async fn committed_before(
    trainer: &Trainer,
    lease: &Lease,
    stop: &CancellationToken,
) -> Option<Committed> {
    let mut patience = Patience::default();
    loop {
        let found = trainer.backend.database.model_of_attempt(lease);
        match until_stopped(stop, found).await? {
            Ok(found) => return found.map(|(version, verdict)| tell(lease, version, verdict)),
            Err(error) if error.is_unavailable() => {
                stop.run_until_cancelled(patience.wait(lease, &error)).await?;
            }
            Err(error) => {
                let error = chain(&error);
                warn!(run.id = %lease.run_id, error, "it cannot be told whether the run made a model");
                return None;
            }
        }
    }
}

/// Logs and counts a committed model.
fn tell(lease: &Lease, version: ModelVersion, verdict: Verdict) -> Committed {
    let promoted = verdict.promoted;
    info!(run.id = %lease.run_id, model.version = version.get(), promoted, "the run made a model");
    metrics::counter!("lapidary_models_total", "kind" => lease.kind.name()).increment(1);
    Committed { version, verdict }
}
