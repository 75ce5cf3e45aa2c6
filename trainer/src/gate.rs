//! Bringing challenger and champion before the gate, on the newest holdout.

use domain::PromotionNumber;
use model::{
    Artifact, Predictor,
    gate::{self, Champion, Judgement},
    split,
};
use storage::StorageError;

use crate::worker::Worker;

/// Judges; returns the promotion that was the newest at that moment.
pub(crate) async fn judge(
    worker: &Worker,
    challenger: &Predictor,
) -> Result<(Option<PromotionNumber>, Judgement), StorageError> {
    let backend = &worker.backend;
    let champion = backend.database.champion_ref().await?;
    let loaded = match champion {
        Some(champion) => {
            let bytes = backend.store.artifact(champion.artifact).await?;
            let artifact =
                Artifact::load(&bytes).map_err(|error| StorageError::BadBatch(error.to_string()))?;
            Some((champion.version, artifact.into_predictor()))
        }
        None => None,
    };
    let samples = match backend.database.newest_dataset().await? {
        Some(newest) => backend.database.samples(&backend.store, newest).await?,
        None => Vec::new(),
    };
    let (challenger, rules) = (challenger.clone(), worker.rules);
    let judged = tokio::task::spawn_blocking(move || {
        let champion = loaded.as_ref().map(|(version, predictor)| Champion {
            version: *version,
            predictor,
        });
        gate::judge(&challenger, champion, &split(&samples).holdout, &rules)
    });
    let judgement = judged
        .await
        .map_err(|error| StorageError::BadBatch(error.to_string()))?;
    Ok((champion.map(|champion| champion.promotion), judgement))
}
