//! Telling readiness, and the log once, what keeps files from being taken.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use ::service::health::{Component, Health, Need, Watchdog};
use storage::StorageError;
use tracing::warn;

/// What keeps files from being taken.
pub(super) struct Troubles {
    inbox: Component,
    store: Component,
    told: HashMap<PathBuf, (Blamed, String)>,
    restless: Option<String>,
}

impl Troubles {
    /// Adds the inbox and the object store to `health`.
    pub(super) fn register(health: &Health) -> Self {
        let troubles = Self {
            // One file that cannot be read must not make the service unavailable.
            inbox: health.component("inbox", Need::Useful),
            store: health.component("store", Need::Essential),
            told: HashMap::new(),
            restless: None,
        };
        troubles.inbox.up();
        troubles.store.up();
        troubles
    }

    /// Notices an intake that makes no progress for so long.
    pub(super) fn watchdog(&self, limit: Duration) -> Watchdog {
        self.inbox.watchdog(limit)
    }

    /// A file, if there is one, that has kept changing for so long, and is not taken.
    pub(super) fn restless(&mut self, file: Option<(&Path, Duration)>) {
        let detail = |(path, waited): (&Path, Duration)| {
            format!(
                "{} has kept changing for {} s, and is not taken until it is still",
                path.display(),
                waited.as_secs()
            )
        };
        let is_new = self.restless.is_none();
        self.restless = file.map(detail);
        if let Some(detail) = self.restless.as_ref().filter(|_| is_new) {
            warn!(detail, "a file waits");
        }
        self.settle();
    }

    /// A file, or the folder, cannot be worked on now.
    pub(super) fn tell(&mut self, path: &Path, error: &anyhow::Error) {
        let text = format!("{error:#}");
        let blamed = blamed(error);
        match blamed {
            Blamed::Postgres => {}
            Blamed::Store => self.store.down(text.clone()),
            Blamed::Inbox => self.inbox.down(text.clone()),
        }
        let trouble = (blamed, text);
        if self.told.get(path) != Some(&trouble) {
            warn!(file = %path.display(), error = trouble.1, "a file waits");
            self.told.insert(path.to_owned(), trouble);
        }
        self.settle();
    }

    /// What was to be done with `path` was done.
    pub(super) fn over(&mut self, path: &Path) {
        self.told.remove(path);
        self.settle();
    }

    /// The trouble with files that are gone is over.
    pub(super) fn keep(&mut self, concerns: impl Fn(&Path) -> bool) {
        self.told.retain(|path, _| concerns(path));
        self.settle();
    }

    /// What is blamed for nothing works.
    fn settle(&self) {
        let is_blamed = |whose| self.told.values().any(|(blamed, _)| *blamed == whose);
        if !is_blamed(Blamed::Store) {
            self.store.up();
        }
        match &self.restless {
            _ if is_blamed(Blamed::Inbox) => {}
            Some(detail) => self.inbox.degraded(detail.clone()),
            None => self.inbox.up(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        Some(StorageError::Database(_) | StorageError::Refused { .. }) => Blamed::Postgres,
        Some(StorageError::Io(_)) | None => Blamed::Inbox,
        Some(_) => Blamed::Store,
    }
}

#[cfg(test)]
mod tests {
    use ::service::clock::Clock;
    use anyhow::anyhow;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_store_that_works_again_is_up_while_a_file_still_cannot_be_read() {
        let health = Health::new(Clock::system());
        let mut troubles = Troubles::register(&health);
        troubles.tell(Path::new("unreadable.csv"), &anyhow!("permission denied"));
        let missing = StorageError::MissingObject("batches/1".to_owned());
        troubles.tell(Path::new("a.csv"), &missing.into());
        let state = |name: &str| json!(health.snapshot())["components"][name]["state"].clone();
        assert_eq!((state("inbox"), state("store")), (json!("down"), json!("down")));
        troubles.over(Path::new("a.csv"));
        assert_eq!((state("inbox"), state("store")), (json!("down"), json!("up")));
        troubles.keep(|_| false);
        assert_eq!(state("inbox"), json!("up"));
    }

    /// F11: a file that is never still is told.
    #[test]
    fn a_file_that_keeps_changing_degrades_the_inbox_unless_that_is_down() {
        let health = Health::new(Clock::system());
        let mut troubles = Troubles::register(&health);
        let condition = || json!(health.snapshot())["components"]["inbox"].clone();
        troubles.restless(Some((Path::new("a.csv"), Duration::from_secs(600))));
        assert_eq!(condition()["state"], "degraded");
        let detail = "a.csv has kept changing for 600 s, and is not taken until it is still";
        assert_eq!(condition()["detail"], detail);
        troubles.tell(Path::new("b.csv"), &anyhow!("permission denied"));
        troubles.restless(Some((Path::new("a.csv"), Duration::from_secs(601))));
        assert_eq!(condition()["state"], "down");
        troubles.over(Path::new("b.csv"));
        assert_eq!(condition()["state"], "degraded");
        troubles.restless(None);
        assert_eq!(condition()["state"], "up");
    }
}
