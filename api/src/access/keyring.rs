//! The working keys, by their hashes, in memory and on disk: clients get in while the registry is away.
//!
//! What is on disk is what the registry has: hashes, never texts. It is made anew from the registry at intervals,
//! so a key that was revoked opens clients' routes for that long, and operators' not at all.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    hint::black_box,
    path::PathBuf,
    sync::{Arc, RwLock},
    time::Duration,
};

use ::service::health::Watchdog;
use domain::{Sha256, key::ApiKey};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{disk, service::App};

/// Keys in memory.
pub(crate) struct Keyring {
    keys: RwLock<Arc<HashMap<Secret, ApiKey>>>,
    file: PathBuf,
}

/// A hash that is compared in a time that does not depend on where it differs.
#[derive(Clone, Copy, Eq)]
struct Secret(Sha256);

/// A key as the file has it.
#[derive(Serialize, Deserialize)]
struct Kept {
    hash: Sha256,
    #[serde(flatten)]
    key: ApiKey,
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let bytes = self.0.as_bytes().iter().zip(other.0.as_bytes());
        let differing = bytes.fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
        differing == 0
    }
}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Keyring {
    /// The keys that were kept in `file`; none when there is no such file, or it cannot be read.
    pub(crate) fn open(file: PathBuf) -> Self {
        let kept = match disk::read_json::<Vec<Kept>>(&file) {
            Ok(kept) => kept.unwrap_or_default(),
            Err(error) => {
                warn!(%error, file = %file.display(), "the kept keys cannot be read");
                Vec::new()
            }
        };
        let keys = kept.into_iter().map(|kept| (Secret(kept.hash), kept.key));
        Self {
            keys: RwLock::new(Arc::new(keys.collect())),
            file,
        }
    }

    /// The working key with this hash, if it is known.
    pub(crate) fn find(&self, hash: Sha256) -> Option<ApiKey> {
        self.snapshot().get(&Secret(hash)).cloned()
    }

    /// Adds a key that the registry has just named, until the next refresh.
    pub(super) fn add(&self, hash: Sha256, key: ApiKey) {
        let mut keys = HashMap::clone(&self.snapshot());
        keys.insert(Secret(hash), key);
        self.replace(keys);
    }

    /// Follows the registry until told to stop.
    pub(crate) async fn follow(app: App, interval: Duration, watchdog: Watchdog, stop: CancellationToken) {
        loop {
            watchdog.working_on("reading the API keys");
            if let Ok(registry) = app.registry()
                && let Ok(keys) = registry.working_keys().await
                && let Err(error) = app.keyring.refresh(keys)
            {
                warn!(%error, file = %app.keyring.file.display(), "the keys cannot be kept on disk");
            }
            watchdog.idle();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    /// Takes over what the registry has; written to the file when that changed.
    fn refresh(&self, keys: Vec<(Sha256, ApiKey)>) -> std::io::Result<()> {
        let keys: HashMap<_, _> = keys.into_iter().map(|(hash, key)| (Secret(hash), key)).collect();
        if *self.snapshot() == keys && self.file.exists() {
            return Ok(());
        }
        let mut kept: Vec<_> = keys
            .iter()
            .map(|(hash, key)| Kept {
                hash: hash.0,
                key: key.clone(),
            })
            .collect();
        kept.sort_by_key(|kept| kept.key.id);
        self.replace(keys);
        disk::write_json(&self.file, &kept)
    }

    fn snapshot(&self) -> Arc<HashMap<Secret, ApiKey>> {
        let keys = self.keys.read();
        Arc::clone(&keys.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn replace(&self, keys: HashMap<Secret, ApiKey>) {
        let there = self.keys.write();
        *there.unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use domain::key::Role;
    use uuid::Uuid;

    fn key(name: &str) -> (Sha256, ApiKey) {
        let key = ApiKey {
            id: Uuid::from_u128(name.len() as u128),
            name: name.to_owned(),
            role: Role::Client,
            created_at: DateTime::UNIX_EPOCH,
            revoked_at: None,
        };
        (Sha256::of(name.as_bytes()), key)
    }

    #[test]
    fn keys_are_known_again_after_a_start_and_revoked_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let (web, shop) = (key("web"), key("shop"));
        let keyring = Keyring::open(file.clone());
        assert_eq!(keyring.find(web.0), None);
        keyring.refresh(vec![web.clone(), shop.clone()]).unwrap();
        keyring.refresh(vec![shop.clone()]).unwrap();
        let again = Keyring::open(file.clone());
        assert_eq!(again.find(shop.0), Some(shop.1));
        assert_eq!(again.find(web.0), None);
        assert!(!std::fs::read_to_string(file).unwrap().contains("\"text\""));
    }

    #[test]
    fn a_damaged_file_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        std::fs::write(&file, "[{").unwrap();
        assert_eq!(Keyring::open(file).find(key("web").0), None);
    }
}
