//! Which system this is, and whether the object store is its own.
//!
//! The store has a marker with the system's id. A store without it is another's, or none: a folder whose disk is not
//! mounted looks like an empty store, and what is written into it is lost when the disk is back.

use std::{
    io,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use object_store::{ObjectStoreExt as _, PutMode, PutOptions, PutPayload, path::Path};
use sea_orm::ConnectionTrait as _;
use tracing::info;
use uuid::Uuid;

use crate::{Database, StorageError, Store, database::sql, error::unavailable};

/// The marker's name in the store.
const MARKER: &str = "lapidary-system";

/// How long a marker in a store over the network counts as seen. One in a folder is looked at every time.
const SEEN_FOR: Duration = Duration::from_secs(30);

/// What is known of the store's marker.
#[derive(Debug, Default)]
pub(crate) struct Owner {
    /// Whether nothing may be written before the marker was compared with Postgres.
    required: AtomicBool,
    system: OnceLock<Uuid>,
    seen: Mutex<Option<Instant>>,
}

impl Database {
    /// Makes sure that `store` is this system's: compares its marker with the id in Postgres, or writes the marker when
    /// there never was one. From then on nothing is written into the store unless the marker is there.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when the store is not this system's, or one of them does not answer.
    pub async fn claim_store(&self, store: &Store) -> Result<(), StorageError> {
        let query = "SELECT id, store_marked, EXISTS (SELECT FROM data_files WHERE batch_sha256 IS NOT NULL) \
                     OR EXISTS (SELECT FROM models) AS has_objects FROM installation";
        let row = self.connection.query_one_raw(sql(query, [])).await?;
        let row = row.ok_or_else(|| StorageError::bad_row("installation", "there is none"))?;
        let (id, marked) = (row.try_get::<Uuid>("", "id")?, row.try_get("", "store_marked")?);
        match store.marker().await? {
            Some(found) => same(found, id)?,
            None if marked => return Err(not_ours()),
            // A system from before there were markers has objects in its store.
            None if row.try_get("", "has_objects")? && store.has_no_objects().await? => {
                return Err(not_ours());
            }
            None => same(store.write_marker(id).await?, id)?,
        }
        if !marked {
            let update = "UPDATE installation SET store_marked = true";
            self.connection.execute_raw(sql(update, [])).await?;
            info!(system.id = %id, "the object store is marked as this system's");
        }
        let _ = store.owner.system.set(id);
        Ok(())
    }
}

impl Store {
    /// Refuses to write until [`Database::claim_store`] has found that the store is this system's.
    pub fn require_claim(&self) {
        self.owner.required.store(true, Ordering::Relaxed);
    }

    /// Whether [`Database::claim_store`] has found that the store is this system's.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.owner.system.get().is_some()
    }

    /// Checks that the store is still the one that was claimed: that its marker is there.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when it is not, or the store does not answer.
    pub async fn check_marker(&self) -> Result<(), StorageError> {
        let Some(id) = self.owner.system.get() else {
            return match self.owner.required.load(Ordering::Relaxed) {
                true => Err(unavailable(io::Error::other(
                    "it is not known yet whether it is this system's",
                ))),
                false => Ok(()),
            };
        };
        if !self.is_folder && self.owner.was_seen() {
            return Ok(());
        }
        match self.marker().await? {
            Some(found) => same(found, *id)?,
            None => return Err(not_ours()),
        }
        self.owner.see();
        Ok(())
    }

    async fn marker(&self) -> Result<Option<Uuid>, StorageError> {
        let marker = match self.objects.get(&Path::from(MARKER)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            marker => marker?.bytes().await?,
        };
        let id = std::str::from_utf8(&marker)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        match id {
            Some(id) => Ok(Some(id)),
            None => Err(unavailable(io::Error::other(format!(
                "the object {MARKER} in it is damaged: it should hold this system's id"
            )))),
        }
    }

    /// Writes the marker if there is none; returns the one that is there then.
    async fn write_marker(&self, id: Uuid) -> Result<Uuid, StorageError> {
        let once = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        let content = PutPayload::from(format!("{id}\n"));
        match self.objects.put_opts(&Path::from(MARKER), content, once).await {
            Ok(_) => Ok(id),
            Err(object_store::Error::AlreadyExists { .. }) => self.marker().await?.ok_or_else(not_ours),
            Err(error) => Err(error.into()),
        }
    }

    async fn has_no_objects(&self) -> Result<bool, StorageError> {
        let top = self.objects.list_with_delimiter(None).await?;
        Ok(top.common_prefixes.is_empty())
    }
}

impl Owner {
    fn was_seen(&self) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|at| at.elapsed() < SEEN_FOR)
    }

    fn see(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

fn same(found: Uuid, id: Uuid) -> Result<(), StorageError> {
    if found == id {
        return Ok(());
    }
    Err(unavailable(io::Error::other(format!(
        "the object store is not this system's: its marker {MARKER} names {found}, and the database is of {id}; \
         set store.url to this system's store, or delete the marker if this store shall be its own from now on"
    ))))
}

pub(crate) fn not_ours() -> StorageError {
    unavailable(io::Error::other(
        "the object store is not this system's (is its disk mounted?): it has no marker",
    ))
}
