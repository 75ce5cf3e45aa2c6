//! Models on their way into memory: read from the store and checked, on a thread that gives way to those which answer.

use std::sync::{Mutex, PoisonError};

use domain::Sha256;
use model::{Artifact, ArtifactError};
use storage::{StorageError, store::Store};
use tokio::sync::Semaphore;

use crate::work::aside;

/// A model that was read and checked.
pub(crate) struct Loaded {
    pub(super) digest: Sha256,
    pub(super) bytes: Vec<u8>,
    pub(super) artifact: Artifact,
}

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
    /// What an operator's decision has just checked: the swap that follows takes it from here. One at the most.
    checked: Mutex<Option<Loaded>>,
}

impl Loading {
    pub(super) fn new() -> Self {
        Self {
            turn: Semaphore::new(1),
            checked: Mutex::new(None),
        }
    }

    /// Reads an artifact and checks it.
    pub(super) async fn load(&self, store: &Store, digest: Sha256) -> Result<Loaded, LoadError> {
        // Never closed; a second model at the same time would only cost memory.
        let _turn = self.turn.acquire().await;
        let bytes = store.artifact(digest).await?;
        let (bytes, artifact) = aside(move || {
            let artifact = Artifact::load(&bytes);
            (bytes, artifact)
        })
        .await?;
        Ok(Loaded {
            digest,
            bytes,
            artifact: artifact?,
        })
    }

    /// Holds a model ready for the swap to it.
    pub(super) fn hold(&self, loaded: Loaded) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
    }

    /// The model that is held, if it is this one; another one is not wanted any more.
    pub(super) fn take(&self, digest: Sha256) -> Option<Loaded> {
        let held = self.checked.lock().unwrap_or_else(PoisonError::into_inner).take();
        held.filter(|held| held.digest == digest)
    }
}
