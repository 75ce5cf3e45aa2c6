//! Bringing challenger and champion before the gate, on the newest holdout.

use ::service::error::chain;
use domain::{ModelVersion, Sha256};
use model::{
    Artifact, Predictor,
    gate::{self, Challenger, Champion, Judgement},
};
use storage::{StorageError, promotions::Reign};

use crate::{
    attempt::{Learned, Trouble},
    samples,
    trainer::Trainer,
};

/// A model out of the object store, or why it cannot be used.
type Stored = Result<Predictor, String>;

/// Judges the model whose artifact was just stored; returns who reigned at that moment.
pub(crate) async fn judge(
    trainer: &Trainer,
    learned: &Learned,
    artifact: Sha256,
) -> Result<(Reign, Judgement), Trouble> {
    let backend = &trainer.backend;
    let reign = backend.database.reign().await?;
    let champion = match backend.database.champion_ref().await? {
        Some(champion) => Some((champion.version, stored(trainer, champion.artifact).await?)),
        None => None,
    };
    let stored = stored(trainer, artifact).await?;
    let holdout = match backend.database.newest_dataset().await? {
        Some(newest) => samples::judged_on(backend, newest).await?,
        None => Vec::new(),
    };
    let (trained, rules) = (learned.artifact.predictor().clone(), trainer.rules);
    let judged = tokio::task::spawn_blocking(move || {
        let challenger = Challenger {
            trained: &trained,
            stored: stored.as_ref().map_err(String::as_str),
        };
        let champion = champion
            .as_ref()
            .map(|(version, predictor)| seat(*version, predictor, reign));
        gate::judge(challenger, champion, &holdout, &rules)
    });
    let judgement = judged
        .await
        .map_err(|panic| Trouble::Failed(format!("the gate broke down: {panic}")))?;
    Ok((reign, judgement))
}

fn seat(version: ModelVersion, predictor: &Stored, reign: Reign) -> Champion<'_> {
    Champion {
        version,
        predictor: predictor.as_ref().map_err(String::as_str),
        frozen: reign.frozen,
    }
}

/// Loads an artifact; one that is missing or damaged is an answer, a store that is away is not.
async fn stored(trainer: &Trainer, artifact: Sha256) -> Result<Stored, StorageError> {
    let bytes = match trainer.backend.store.artifact(artifact).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return Ok(Err(chain(&error))),
    };
    let loaded = tokio::task::spawn_blocking(move || Artifact::load(bytes)).await;
    Ok(match loaded {
        Ok(Ok(artifact)) => Ok(artifact.into_parts().0),
        Ok(Err(error)) => Err(chain(&error)),
        Err(panic) => Err(format!("loading it broke down: {panic}")),
    })
}
