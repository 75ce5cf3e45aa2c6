//! Which batches are still needed, and deleting those that are not.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::Sha256;
use sea_orm::ConnectionTrait;

use crate::{Database, StorageError, Store, database::sql};

/// Needed is what the newest dataset version and the champion's are made of, what runs under way train on, and
/// what an operator can still decide on, or just did. The rows of a withdrawn file that is accepted again are those of
/// the last version with it.
const NEEDED: &str = "\
    WITH used (version) AS (
        SELECT max(version) FROM datasets
        UNION SELECT r.dataset_version FROM promotions p
            JOIN models m ON m.version = p.model_version JOIN training_runs r ON r.id = m.run_id
            WHERE p.number = (SELECT max(number) FROM promotions)
        UNION SELECT dataset_version FROM training_runs WHERE status IN ('queued', 'running')
        UNION SELECT f.withdrawn_version - 1 FROM data_files f JOIN file_decisions o ON o.sha256 = f.sha256
            WHERE f.status = 'withdrawn' AND o.applied_at IS NULL
    ),
    needed (batch) AS (
        SELECT f.batch_sha256 FROM data_files f WHERE f.status = 'held'
            OR EXISTS (SELECT FROM file_decisions o WHERE o.sha256 = f.sha256 AND o.applied_at IS NULL)
        UNION SELECT coalesce(last.batch_sha256, f.batch_sha256) FROM data_files f CROSS JOIN used
            CROSS JOIN LATERAL (
                SELECT d.change, d.batch_sha256 FROM datasets d
                WHERE d.file_sha256 = f.sha256 AND d.version <= used.version
                ORDER BY d.version DESC LIMIT 1
            ) last WHERE last.change = 'added'
        UNION SELECT carried.batch_sha256 FROM used CROSS JOIN LATERAL (
                SELECT d.batch_sha256 FROM datasets d WHERE d.change = 'removed' AND d.version <= used.version
                ORDER BY d.version DESC LIMIT 1
            ) carried
        -- Of files that are all part of the dataset still.
        UNION SELECT m.sha256 FROM merged_batches m WHERE NOT EXISTS (
            SELECT FROM datasets d JOIN data_files f ON f.sha256 = d.file_sha256
            WHERE d.version BETWEEN m.first_version AND m.last_version
                AND (f.status <> 'accepted' OR f.dataset_version <> d.version)
        )
    )
    SELECT batch FROM needed WHERE batch IS NOT NULL";

/// Hashes are needed for as long as a file can be part of the dataset, or become so again.
const NEEDED_HASHES: &str =
    "SELECT DISTINCT hashes_sha256 AS hashes FROM data_files WHERE hashes_sha256 IS NOT NULL";

impl Database {
    /// The batches that something in use needs: the newest dataset version, the champion's, those of training runs
    /// under way, held files, and files with a decision that is not carried out yet. Withdrawn files' batches are
    /// needed only as far as one of these has them.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn needed_batches(&self) -> Result<HashSet<Sha256>, StorageError> {
        self.digests(NEEDED, "batch").await
    }

    /// The hashes of files' rows that something needs.
    ///
    /// # Errors
    ///
    /// When Postgres does not answer.
    pub async fn needed_hashes(&self) -> Result<HashSet<Sha256>, StorageError> {
        self.digests(NEEDED_HASHES, "hashes").await
    }

    async fn digests(&self, query: &str, column: &str) -> Result<HashSet<Sha256>, StorageError> {
        let rows = self.connection.query_all_raw(sql(query, [])).await?;
        rows.iter()
            .map(|row| {
                let digest: Vec<u8> = row.try_get("", column)?;
                Sha256::try_from(digest.as_slice()).map_err(|e| StorageError::bad_row("data_files", e))
            })
            .collect()
    }

    /// Deletes hashes of a file's rows from the store, as [`Database::delete_unneeded_batch`] does a batch.
    ///
    /// # Errors
    ///
    /// When Postgres or the object store does not answer.
    pub async fn delete_unneeded_hashes(
        &self,
        store: &Store,
        hashes: Sha256,
        before: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let change = self.begin_change().await?;
        let needed = format!("{NEEDED_HASHES} AND hashes_sha256 = $1");
        let needed = sql(&needed, [hashes.as_bytes().to_vec().into()]);
        let unneeded = change.transaction.query_one_raw(needed).await?.is_none();
        let kept = store.kept_hashes(hashes).await?;
        let deleted = unneeded && kept.is_some_and(|kept| kept.since < before);
        if deleted {
            store.delete_hashes(hashes).await?;
        }
        change.give_up().await?;
        Ok(deleted)
    }

    /// Deletes a batch from the store; not, and then false, when something needs it by now, or when it is gone or
    /// was written at `before` or later, because an intake may be about to name it.
    ///
    /// # Errors
    ///
    /// When Postgres or the object store does not answer.
    pub async fn delete_unneeded_batch(
        &self,
        store: &Store,
        batch: Sha256,
        before: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        // Meanwhile nobody makes a dataset version, and nobody decides on the files that the batch is of.
        let change = self.begin_change().await?;
        let unneeded = !is_needed(&change.transaction, batch).await?;
        let kept = store.kept_batch(batch).await?;
        let deleted = unneeded && kept.is_some_and(|kept| kept.since < before);
        if deleted {
            store.delete_batch(batch).await?;
        }
        change.give_up().await?;
        Ok(deleted)
    }
}

async fn is_needed(transaction: &impl ConnectionTrait, batch: Sha256) -> Result<bool, StorageError> {
    let key = || [batch.as_bytes().to_vec().into()];
    // A withdrawn file may be about to be accepted again, with rows of any batch.
    let lock = "SELECT 1 FROM data_files WHERE batch_sha256 = $1 OR status = 'withdrawn' FOR UPDATE";
    transaction.query_all_raw(sql(lock, key())).await?;
    let needed = format!("{NEEDED} AND batch = $1");
    let row = transaction.query_one_raw(sql(&needed, key())).await?;
    Ok(row.is_some())
}
