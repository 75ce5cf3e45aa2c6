//! One attempt at one run: samples in, committed model out, the lease renewed meanwhile.

mod commit;
mod learning;

use std::time::{Duration, Instant};

use ::service::error::chain;
use backend::until_stopped;
use domain::run::Progress;
use storage::{StorageError, runs::claim::Lease};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    samples,
    trainer::{Trainer, retry_after},
};
pub(crate) use commit::Committed;
pub(crate) use learning::{Learned, Repeated, learn_alone};

const WAIT: Duration = Duration::from_secs(1);

/// Why an attempt made no model. What the run's row says of it is written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    /// The run is another trainer's by now.
    #[error("another trainer has taken the run over")]
    LeaseLost,
    /// This process was told to stop; the run is put back.
    #[error("the run was stopped and put back")]
    Stopped,
    /// These samples allow no model: the run has failed.
    #[error("{0}")]
    NoModel(String),
    /// The run has failed for good.
    #[error("{0}")]
    GivenUp(String),
    /// Something went wrong; the run is put back, and another try may succeed.
    #[error("{0}")]
    TryAgain(String),
}

/// How an attempt ended, before that is written down.
pub(crate) enum Trouble {
    /// The run is another's.
    LeaseLost,
    /// Told to stop.
    Stopped,
    /// No model can come of these samples.
    NoModel(String),
    /// Never to be tried again, for what it needs is damaged.
    Damaged(String),
    /// Postgres or the object store is away.
    Away(StorageError),
    /// Anything else.
    Failed(String),
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        match error {
            error if error.is_unavailable() => Self::Away(error),
            StorageError::MissingObject(_)
            | StorageError::DamagedObject { .. }
            | StorageError::BadBatch(_) => Self::Damaged(chain(&error)),
            error => Self::Failed(chain(&error)),
        }
    }
}

/// Trains and commits; waits out servers that are away, without counting that as a failure. `seen` is shown the
/// progress.
pub(crate) async fn run(
    trainer: &Trainer,
    lease: &Lease,
    stop: &CancellationToken,
    seen: impl Fn(Progress) + Send,
) -> Result<Committed, AttemptError> {
    let mut log = Vec::new();
    let ended = tokio::select! {
        ended = patiently(trainer, lease, &mut log, &seen) => ended,
        () = until_lost(trainer, lease) => Err(Trouble::LeaseLost),
        () = stop.cancelled() => Err(Trouble::Stopped),
    };
    let error = match ended {
        Ok(committed) => return Ok(committed),
        Err(trouble) => write_down(trainer, lease, trouble, &log, stop).await,
    };
    match error {
        // Where the answer of a COMMIT was lost, it was this attempt itself that ended the run.
        AttemptError::LeaseLost => commit::committed_before(trainer, lease, stop)
            .await
            .ok_or(AttemptError::LeaseLost),
        error => Err(error),
    }
}

/// Every step that needs a server is repeated while it is away; what was learned already is not learned again.
async fn patiently(
    trainer: &Trainer,
    lease: &Lease,
    log: &mut Vec<String>,
    seen: &(impl Fn(Progress) + Send),
) -> Result<Committed, Trouble> {
    let mut patience = Patience::default();
    let rows = loop {
        match trainer.backend.database.dataset_rows(lease.dataset_version).await {
            Err(error) if error.is_unavailable() => patience.wait(lease, &error).await,
            rows => break rows?,
        }
    };
    let threads = trainer.resources.threads;
    let reserved = trainer.memory.reserve(lease.kind, rows, threads).await;
    // It would not fit at the next try either.
    let reserved = reserved.map_err(|too_large| Trouble::NoModel(too_large.to_string()))?;
    let samples = loop {
        match samples::by_side(&trainer.backend, lease.dataset_version).await {
            Err(error) if error.is_unavailable() => patience.wait(lease, &error).await,
            samples => break samples?,
        }
    };
    let (attempt, count, version) = (lease.attempt, samples.len(), lease.dataset_version);
    log.push(format!(
        "attempt {attempt}: {count} samples of dataset version {version}"
    ));
    // The memory is held until the model is committed, or the learner's thread has ended.
    let (learned, _reserved) = learning::learn(trainer, lease, samples, reserved, log, seen).await?;
    loop {
        match commit::commit(trainer, lease, &learned, log).await {
            Err(Trouble::Away(error)) => patience.wait(lease, &error).await,
            ended => return ended,
        }
    }
}

/// Waiting for a server, told once.
#[derive(Default)]
struct Patience {
    told: bool,
}

impl Patience {
    async fn wait(&mut self, lease: &Lease, error: &StorageError) {
        if !self.told {
            warn!(run.id = %lease.run_id, reason = chain(error), "the run waits for a server");
            self.told = true;
        }
        tokio::time::sleep(WAIT).await;
    }
}

/// Renews the lease until it is lost; Postgres being away is no loss, for nobody can take the run then.
async fn until_lost(trainer: &Trainer, lease: &Lease) {
    let length = trainer.lease;
    loop {
        tokio::time::sleep(length / 3).await;
        if let Ok(false) = trainer.backend.database.renew_lease(lease, length).await {
            return;
        }
    }
}

/// What the run's row is to say of an attempt that made no model.
enum End {
    PutBack,
    /// A failure is counted, and the run waits before it is tried again.
    Requeue(String),
    Fail(String),
}

/// Writes into the run's row what came of the attempt. While Postgres is away it is tried again, as long as the lease
/// keeps others from the run; after a stop, only for a few seconds.
async fn write_down(
    trainer: &Trainer,
    lease: &Lease,
    trouble: Trouble,
    log: &[String],
    stop: &CancellationToken,
) -> AttemptError {
    let last = lease.failures + 1 >= trainer.max_failures;
    let (end, error) = match trouble {
        Trouble::LeaseLost => return AttemptError::LeaseLost,
        Trouble::Stopped => (End::PutBack, AttemptError::Stopped),
        Trouble::Away(error) => (End::PutBack, AttemptError::TryAgain(chain(&error))),
        Trouble::NoModel(reason) => (End::Fail(reason.clone()), AttemptError::NoModel(reason)),
        Trouble::Failed(reason) if !last => (End::Requeue(reason.clone()), AttemptError::TryAgain(reason)),
        Trouble::Damaged(reason) | Trouble::Failed(reason) => {
            (End::Fail(reason.clone()), AttemptError::GivenUp(reason))
        }
    };
    let (started, mut patience, mut unanswered) = (Instant::now(), Patience::default(), false);
    loop {
        let Some(written) = until_stopped(stop, write_end(trainer, lease, &end, log)).await else {
            return AttemptError::TryAgain(format!("{error}; and it was not confirmed before the stop"));
        };
        match written {
            Ok(true) => return error,
            Ok(false) if unanswered && is_last_attempt(trainer, lease, stop).await => return error,
            Ok(false) => return AttemptError::LeaseLost,
            Err(why) if why.is_unavailable() && !stop.is_cancelled() && started.elapsed() < trainer.lease => {
                unanswered = true;
                patience.wait(lease, &why).await;
            }
            // The lease runs out, and the next trainer takes over.
            Err(why) => {
                let why = chain(&why);
                return AttemptError::TryAgain(format!("{error}; and it could not be written down: {why}"));
            }
        }
    }
}

async fn write_end(
    trainer: &Trainer,
    lease: &Lease,
    end: &End,
    log: &[String],
) -> Result<bool, StorageError> {
    let database = &trainer.backend.database;
    match end {
        End::PutBack => database.put_back_run(lease, log).await,
        End::Requeue(reason) => {
            let wait = retry_after(trainer.retry_after, lease.failures + 1);
            database.requeue_run(lease, reason, log, wait).await
        }
        End::Fail(reason) => database.fail_run(lease, reason, log).await,
    }
}

/// Whether it was this attempt, at a try whose answer was lost, that ended the run.
async fn is_last_attempt(trainer: &Trainer, lease: &Lease, stop: &CancellationToken) -> bool {
    let asked = trainer.backend.database.is_last_attempt(lease);
    matches!(until_stopped(stop, asked).await, Some(Ok(true)))
}
