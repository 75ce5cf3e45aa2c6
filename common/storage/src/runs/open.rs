//! Making training runs: by a claim, and because somebody asked.

use chrono::{DateTime, Utc};
use domain::{
    DatasetVersion, ModelKind,
    event::{Event, EventData, RunNews},
};
use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

use super::claim::{ClaimTerms, Lease};
use crate::{
    Database, StorageError,
    clock::{from_now, now},
    connection::DatabaseTransaction,
    database::sql,
    outbox,
};

/// Why a run is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A new dataset version.
    Automatic,
    /// Somebody asked for it.
    OnDemand,
}

impl Database {
    /// Makes a run that somebody asked for, claimed at once; another trainer takes it over if this one falls silent.
    ///
    /// # Errors
    ///
    /// When Postgres does not commit, or the dataset version does not exist.
    pub async fn open_run(
        &self,
        kind: ModelKind,
        dataset_version: DatasetVersion,
        terms: &ClaimTerms,
    ) -> Result<Lease, StorageError> {
        let transaction = self.connection.begin().await?;
        let lease = Lease::first(kind, dataset_version, terms);
        let at = now(&transaction).await?;
        insert(&transaction, &lease, Origin::OnDemand, terms, at).await?;
        transaction.commit().await?;
        Ok(lease)
    }
}

/// Adds a running run, and tells of it.
pub(super) async fn insert(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    origin: Origin,
    terms: &ClaimTerms,
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let text = format!(
        "INSERT INTO training_runs (id, kind, dataset_version, automatic, seed, status, attempts, worker, \
         settings, lease_until, started_at) VALUES ($1, $2, $3, $4, $5, 'running', 1, $6, $7, {}, $8)",
        from_now(terms.lease)
    );
    let values = [
        lease.run_id.into(),
        lease.kind.name().into(),
        i64::from(lease.dataset_version).into(),
        (origin == Origin::Automatic).into(),
        lease.seed.cast_signed().into(),
        terms.worker.clone().into(),
        lease.settings.clone().into(),
        at.into(),
    ];
    transaction.execute_raw(sql(&text, values)).await?;
    announce_start(transaction, lease, at).await
}

/// Tells that an attempt begins.
pub(super) async fn announce_start(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let news = RunNews {
        run_id: lease.run_id,
        kind: lease.kind,
        dataset_version: lease.dataset_version,
        attempt: lease.attempt,
        model_version: None,
        error: None,
    };
    let event = Event {
        id: Uuid::now_v7(),
        time: at,
        data: EventData::RunStarted(news),
    };
    outbox::append(transaction, &[event], at).await
}
