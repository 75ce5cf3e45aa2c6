//! Models on their way into memory: read from the store and checked, on a thread that gives way to those which answer.

use std::sync::{Mutex, PoisonError};

use domain::Sha256;
use model::{Artifact, ArtifactError, pauses::pause};
use storage::{StorageError, store::Store};
use tokio::sync::Semaphore;

use crate::work::aside;

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The store does not hand out its artifact.
    #[error("the artifact cannot be read")]
    Store(#[from] StorageError),
    /// Its artifact is none, or predicts something else here.
    #[error("the artifact is not usable")]
    Unusable(#[from] ArtifactError),
    /// Something of ours broke.
    #[error(transparent)]
    Broken(#[from] anyhow::Error),
}

/// Loads models, one at a time.
pub(super) struct Loading {
    turn: Semaphore,
    /// What an operator's decision has just checked: the swap that follows takes it from here.
    pub(super) checked: Held<Artifact>,
}

impl Loading {
    pub(super) fn new() -> Self {
        Self {
            turn: Semaphore::new(1),
            checked: Held::new(),
        }
    }

    /// Reads an artifact and checks it.
    pub(super) async fn load(&self, store: &Store, digest: Sha256) -> Result<Artifact, LoadError> {
        // Never closed; a second model at the same time would only cost memory.
        let _turn = self.turn.acquire().await;
        let found = store.open_artifact(digest).await?;
        aside(move || Ok(Artifact::load(found.read(pause)?)?)).await?
    }
}

/// Room for one thing, by the digest of its artifact.
pub(super) struct Held<T>(Mutex<Option<(Sha256, T)>>);

impl<T> Held<T> {
    fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Puts it in the place of what was held before.
    pub(super) fn put(&self, digest: Sha256, thing: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((digest, thing));
    }

    /// What is held, if it is of this artifact; of another one, it is not wanted any more.
    pub(super) fn take(&self, digest: Sha256) -> Option<T> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        held.filter(|(of, _)| *of == digest).map(|(_, thing)| thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_handed_out_once_and_for_its_own_artifact_alone() {
        let (first, second) = (Sha256::of(b"1"), Sha256::of(b"2"));
        let held = Held::new();
        held.put(first, 1);
        assert_eq!((held.take(first), held.take(first)), (Some(1), None));
        held.put(first, 1);
        assert_eq!((held.take(second), held.take(first)), (None, None));
        held.put(first, 1);
        held.put(second, 2);
        assert_eq!(held.take(second), Some(2));
    }
}
