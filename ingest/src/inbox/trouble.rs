//! Telling readiness, and the log once, what keeps files from being taken.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use ::service::health::{Component, Health, Need};
use storage::StorageError;
use tracing::warn;

/// What keeps files from being taken.
pub(super) struct Troubles {
    inbox: Component,
    store: Component,
    told: HashMap<PathBuf, String>,
}

impl Troubles {
    /// Adds the inbox and the object store to `health`.
    pub(super) fn register(health: &Health) -> Self {
        let troubles = Self {
            // One file that cannot be read must not make the service unavailable.
            inbox: health.component("inbox", Need::Useful),
            store: health.component("store", Need::Essential),
            told: HashMap::new(),
        };
        troubles.inbox.up();
        troubles.store.up();
        troubles
    }

    /// A file, or the folder, cannot be worked on now.
    pub(super) fn tell(&mut self, path: &Path, error: &anyhow::Error) {
        let text = format!("{error:#}");
        match blamed(error) {
            Blamed::Postgres => {}
            Blamed::Store => self.store.down(text.clone()),
            Blamed::Inbox => self.inbox.down(text.clone()),
        }
        if self.told.get(path) != Some(&text) {
            warn!(file = %path.display(), error = text, "a file waits");
            self.told.insert(path.to_owned(), text);
        }
    }

    /// What was to be done with `path` was done.
    pub(super) fn over(&mut self, path: &Path) {
        self.told.remove(path);
        if self.told.is_empty() {
            self.inbox.up();
            self.store.up();
        }
    }

    /// The trouble with files that are gone is over.
    pub(super) fn keep(&mut self, concerns: impl Fn(&Path) -> bool) {
        self.told.retain(|path, _| concerns(path));
        if self.told.is_empty() {
            self.inbox.up();
            self.store.up();
        }
    }
}

enum Blamed {
    Postgres,
    Store,
    Inbox,
}

fn blamed(error: &anyhow::Error) -> Blamed {
    let storage = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<StorageError>());
    match storage {
        Some(StorageError::Unavailable { what, .. }) if *what == "Postgres" => Blamed::Postgres,
        Some(StorageError::Database(_)) => Blamed::Postgres,
        Some(StorageError::Io(_)) | None => Blamed::Inbox,
        Some(_) => Blamed::Store,
    }
}
