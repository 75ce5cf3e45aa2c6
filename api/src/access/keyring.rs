//! The working keys, by their hashes, in memory and on disk: clients get in while the registry is away.
//!
//! What is on disk is what the registry has: hashes, never texts. It is made anew from the registry at intervals,
//! so a key that was revoked opens clients' routes for that long, and operators' not at all. While the registry is away,
//! nobody knows which keys were revoked: after a time no key is believed any longer.

use std::{
    collections::HashMap,
    fs,
    hash::{Hash, Hasher},
    hint::black_box,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use ::service::{clock::Clock, health::Watchdog};
use chrono::{DateTime, Utc};
use domain::{Sha256, key::ApiKey};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{disk, service::App};

/// How often the file is written although nothing but the age of the keys has changed.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// Keys in memory.
pub(crate) struct Keyring {
    keys: RwLock<Arc<HashMap<Secret, ApiKey>>>,
    age: Mutex<Age>,
    max_age: Duration,
    clock: Clock,
    file: PathBuf,
}

/// When the registry last named the keys. Whatever the clock says, they do not become younger: the time that a process
/// saw pass counts as well, those before it included.
struct Age {
    read_at: DateTime<Utc>,
    /// How old they were at `since`.
    before: Duration,
    since: Instant,
    /// Whether that was this process, which then needs no clock to know how old they are.
    by_this_process: bool,
    written: Option<Instant>,
}

/// A hash that is compared in a time that does not depend on where it differs.
#[derive(Clone, Copy, Eq)]
struct Secret(Sha256);

/// The file.
#[derive(Serialize, Deserialize)]
struct File {
    read_at: DateTime<Utc>,
    age_ms: u64,
    keys: Vec<Kept>,
}

/// The file as it is, or as older versions wrote it: then the keys are as old as the file.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyFile {
    Aged(File),
    List(Vec<Kept>),
}

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
    /// The keys that were kept in `file`; none when there is no such file, or it cannot be read. They are believed until
    /// they are as old as `max_age`.
    pub(crate) fn open(file: PathBuf, max_age: Duration, clock: Clock) -> Self {
        let kept = match read(&file) {
            Ok(kept) => kept,
            Err(error) => {
                warn!(%error, file = %file.display(), "the kept keys cannot be read");
                None
            }
        };
        let kept = kept.unwrap_or(File {
            read_at: DateTime::UNIX_EPOCH,
            age_ms: 0,
            keys: Vec::new(),
        });
        let keys = kept.keys.into_iter().map(|kept| (Secret(kept.hash), kept.key));
        Self {
            keys: RwLock::new(Arc::new(keys.collect())),
            age: Mutex::new(Age {
                read_at: kept.read_at,
                before: Duration::from_millis(kept.age_ms),
                since: Instant::now(),
                by_this_process: false,
                written: None,
            }),
            max_age,
            clock,
            file,
        }
    }

    /// The working key with this hash, if it is known, and known recently enough.
    pub(crate) fn find(&self, hash: Sha256) -> Option<ApiKey> {
        let key = self.snapshot().get(&Secret(hash)).cloned()?;
        (self.age() < self.max_age).then_some(key)
    }

    /// How long ago the registry named the keys. A clock that stands before that moment tells nothing: then only this
    /// process itself can know.
    fn age(&self) -> Duration {
        let now = self.clock.now();
        let age = self.lock();
        match now.signed_duration_since(age.read_at).to_std() {
            Ok(by_clock) => by_clock.max(age.seen()),
            Err(_) if age.by_this_process => age.seen(),
            Err(_) => self.max_age,
        }
    }

    /// Adds a key that the registry has just named, until the next refresh.
    pub(super) fn add(&self, hash: Sha256, key: ApiKey) {
        let mut keys = HashMap::clone(&self.snapshot());
        keys.insert(Secret(hash), key);
        self.replace(keys);
    }

    /// Follows the registry until told to stop.
    pub(crate) async fn follow(app: App, interval: Duration, watchdog: Watchdog, stop: CancellationToken) {
        let keyring = &app.keyring;
        loop {
            watchdog.working_on("reading the API keys");
            let read = match app.registry() {
                Ok(registry) => registry.working_keys().await.ok(),
                Err(_) => None,
            };
            let kept = match read {
                Some(keys) => keyring.refresh(keys),
                None => keyring.grow_older(),
            };
            if let Err(error) = kept {
                warn!(%error, file = %keyring.file.display(), "the keys cannot be kept on disk");
            }
            watchdog.idle();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    /// Takes over what the registry has; written to the file when that changed, and now and then.
    fn refresh(&self, keys: Vec<(Sha256, ApiKey)>) -> io::Result<()> {
        let keys: HashMap<_, _> = keys.into_iter().map(|(hash, key)| (Secret(hash), key)).collect();
        let is_same = *self.snapshot() == keys && self.file.exists();
        self.replace(keys);
        let now = self.clock.now();
        let is_up_to_date = {
            let mut age = self.lock();
            let was_away = age.seen() >= WRITE_EVERY;
            (age.read_at, age.before, age.since) = (now, Duration::ZERO, Instant::now());
            age.by_this_process = true;
            is_same && age.is_written() && !was_away
        };
        if is_up_to_date {
            return Ok(());
        }
        self.write()
    }

    /// The registry cannot be asked: the file is told now and then how old the keys are, for a clock that is set back
    /// must not make them younger at the next start.
    fn grow_older(&self) -> io::Result<()> {
        if self.lock().is_written() || self.snapshot().is_empty() {
            return Ok(());
        }
        self.write()
    }

    /// Writes the file, while requests go on: they look at the age, which is not locked meanwhile.
    fn write(&self) -> io::Result<()> {
        let keys = self.snapshot();
        let mut kept: Vec<_> = keys
            .iter()
            .map(|(hash, key)| Kept {
                hash: hash.0,
                key: key.clone(),
            })
            .collect();
        kept.sort_by_key(|kept| kept.key.id);
        let (read_at, seen) = {
            let age = self.lock();
            (age.read_at, age.seen())
        };
        let file = File {
            read_at,
            age_ms: u64::try_from(seen.as_millis()).unwrap_or(u64::MAX),
            keys: kept,
        };
        disk::write_json(&self.file, &file)?;
        self.lock().written = Some(Instant::now());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Age> {
        self.age.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Arc<HashMap<Secret, ApiKey>> {
        let keys = self.keys.read();
        Arc::clone(&keys.unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, keys: HashMap<Secret, ApiKey>) {
        let there = self.keys.write();
        *there.unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// The keys that were kept, if there is such a file.
fn read(path: &Path) -> io::Result<Option<File>> {
    match disk::read_json::<AnyFile>(path)? {
        None => Ok(None),
        Some(AnyFile::Aged(file)) => Ok(Some(file)),
        Some(AnyFile::List(keys)) => Ok(Some(File {
            read_at: fs::metadata(path)?.modified()?.into(),
            age_ms: 0,
            keys,
        })),
    }
}

impl Age {
    /// The time that has passed while a process was there to see it.
    fn seen(&self) -> Duration {
        self.before.saturating_add(self.since.elapsed())
    }

    /// Whether the file was written lately.
    fn is_written(&self) -> bool {
        self.written.is_some_and(|at| at.elapsed() < WRITE_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use domain::key::Role;
    use uuid::Uuid;

    const HOUR: Duration = Duration::from_secs(3600);

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

    fn open(file: &std::path::Path) -> Keyring {
        Keyring::open(file.to_owned(), HOUR, Clock::system())
    }

    #[test]
    fn keys_are_known_again_after_a_start_and_revoked_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let (web, shop) = (key("web"), key("shop"));
        let keyring = open(&file);
        assert_eq!(keyring.find(web.0), None);
        keyring.refresh(vec![web.clone(), shop.clone()]).unwrap();
        keyring.refresh(vec![shop.clone()]).unwrap();
        let again = open(&file);
        assert_eq!(again.find(shop.0), Some(shop.1));
        assert_eq!(again.find(web.0), None);
        assert!(!std::fs::read_to_string(file).unwrap().contains("\"text\""));
    }

    #[test]
    fn a_damaged_file_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        for damaged in ["[{", "[]"] {
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(open(&file).find(key("web").0), None);
        }
    }

    /// Versions before the age of keys was kept wrote a list of them.
    #[test]
    fn an_older_file_is_read_and_is_as_old_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let (hash, web) = key("web");
        let kept = Kept {
            hash,
            key: web.clone(),
        };
        std::fs::write(&file, serde_json::to_vec(&[kept]).unwrap()).unwrap();
        assert_eq!(open(&file).find(hash), Some(web));
        let long_ago = std::time::SystemTime::now().checked_sub(2 * HOUR).unwrap();
        let opened = std::fs::File::options().write(true).open(&file).unwrap();
        opened.set_modified(long_ago).unwrap();
        assert_eq!(open(&file).find(hash), None);
    }

    /// S12: without the registry, a key works for so long and no longer, restarts included, whatever the clock says.
    #[test]
    fn keys_are_believed_for_an_hour_whatever_the_clock_says() {
        static MINUTES: AtomicI64 = AtomicI64::new(1000);
        let clock = || {
            Clock::from_fn(|| {
                DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(MINUTES.load(Ordering::Relaxed))
            })
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let web = key("web");
        let keyring = Keyring::open(file.clone(), HOUR, clock());
        keyring.refresh(vec![web.clone()]).unwrap();
        let works = || {
            let again = Keyring::open(file.clone(), HOUR, clock());
            [&keyring, &again].map(|keyring| keyring.find(web.0).is_some())
        };
        for (minutes, expected) in [
            (1059, [true, true]),
            (1060, [false, false]),
            (999, [true, false]),
            (1000, [true, true]),
        ] {
            MINUTES.store(minutes, Ordering::Relaxed);
            assert_eq!(works(), expected, "at {minutes}");
        }
        // What a process saw pass is not undone by a clock that is set back before the next start.
        {
            let mut age = keyring.lock();
            age.before = HOUR;
            age.written = None;
        }
        keyring.grow_older().unwrap();
        assert_eq!(works(), [false; 2]);
        keyring.refresh(vec![web.clone()]).unwrap();
        assert_eq!(works(), [true; 2], "the registry has named it again");
    }
}
