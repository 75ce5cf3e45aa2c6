//! What to do when woken: claim, train, and say what becomes of the message.

use std::time::Duration;

use ::service::health::Watchdog;
use broker::Outcome;
use domain::{
    DatasetVersion, ModelKind,
    event::{Event, EventData},
};
use storage::{
    StorageError,
    runs::claim::{Claim, ClaimTerms, Lease},
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    attempt::{self, AttemptError},
    trainer::Trainer,
};

/// Trains one kind, one run at a time.
pub(crate) struct Worker {
    kind: ModelKind,
    trainer: Trainer,
    terms: ClaimTerms,
    watchdog: Watchdog,
    stop: CancellationToken,
    busy: Mutex<()>,
}

impl Worker {
    /// A worker that puts its work back when `stop` fires; `watchdog` watches its claims.
    pub(crate) fn new(
        kind: ModelKind,
        trainer: Trainer,
        terms: ClaimTerms,
        watchdog: Watchdog,
        stop: CancellationToken,
    ) -> Self {
        Self {
            kind,
            trainer,
            terms,
            watchdog,
            stop,
            busy: Mutex::new(()),
        }
    }

    /// Answers a `dataset.ready` message: it wakes, and Postgres says what there is to do.
    pub(crate) async fn handle(&self, body: &[u8]) -> Outcome {
        let event = match Event::from_json(body) {
            Ok(event) => event,
            Err(error) => return dead_letter(&error),
        };
        let EventData::DatasetReady(ready) = event.data else {
            return Outcome::DeadLetter {
                reason: format!("a trainer has no use for the event {}", event.data.name()),
            };
        };
        match self.exists(ready.dataset_version).await {
            Ok(true) => self.train_all().await,
            Ok(false) => Outcome::DeadLetter {
                reason: format!("there is no dataset version {}", ready.dataset_version),
            },
            Err(error) => wait(&error),
        }
    }

    /// Looks for missing runs at start and every `interval`.
    pub(crate) async fn sweep(&self, interval: Duration) {
        loop {
            if let Outcome::Retry { reason, .. } | Outcome::DeadLetter { reason } = self.train_all().await {
                warn!(reason, "a run found by looking did not succeed");
            }
            debug!("looked for missing runs");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    async fn exists(&self, version: DatasetVersion) -> Result<bool, StorageError> {
        let newest = self.trainer.backend.database.newest_dataset().await?;
        Ok(newest >= Some(version))
    }

    async fn train_all(&self) -> Outcome {
        let _alone = self.busy.lock().await;
        while !self.stop.is_cancelled() {
            match self.claim().await {
                Ok(Claim::Claimed(lease)) => match self.run(&lease).await {
                    Outcome::Done => {}
                    other => return other,
                },
                Ok(Claim::NothingToDo) => return Outcome::Done,
                Ok(Claim::Busy) => {
                    return Outcome::Wait {
                        reason: "another trainer holds the run's lease".to_owned(),
                    };
                }
                Err(error) => return wait(&error),
            }
        }
        stopping()
    }

    async fn claim(&self) -> Result<Claim, StorageError> {
        self.watchdog.working_on(format!("claiming a {} run", self.kind));
        let claim = self
            .trainer
            .backend
            .database
            .claim_run(self.kind, &self.terms)
            .await;
        self.watchdog.idle();
        claim
    }

    async fn run(&self, lease: &Lease) -> Outcome {
        info!(run.id = %lease.run_id, kind = %lease.kind, dataset.version = lease.dataset_version.get(), attempt = lease.attempt, "training");
        self.trainer.backend.relay_now();
        let ended = attempt::run(&self.trainer, lease, &self.stop, |_| ()).await;
        self.trainer.backend.relay_now();
        match ended {
            Ok(_) => Outcome::Done,
            Err(error) => answer(lease, &error),
        }
    }
}

/// What becomes of the message that led to a failed attempt. What the run's row says of it is written by then.
fn answer(lease: &Lease, error: &AttemptError) -> Outcome {
    let (id, attempt) = (lease.run_id, lease.attempt);
    match error {
        AttemptError::LeaseLost => {
            warn!(run.id = %id, attempt, "the lease is lost; another trainer has the run");
            Outcome::Done
        }
        AttemptError::Stopped => {
            info!(run.id = %id, attempt, "the run is put back");
            stopping()
        }
        AttemptError::NoModel(reason) => {
            error!(run.id = %id, reason, "the run failed");
            Outcome::Done
        }
        AttemptError::GivenUp(reason) => {
            error!(run.id = %id, reason, "the run failed");
            dead_letter(reason)
        }
        AttemptError::TryAgain(reason) => {
            warn!(run.id = %id, attempt, reason, "the attempt failed");
            Outcome::Retry {
                reason: reason.clone(),
                attempt: lease.failures + 1,
            }
        }
    }
}

fn dead_letter(reason: &impl ToString) -> Outcome {
    Outcome::DeadLetter {
        reason: reason.to_string(),
    }
}

fn wait(error: &StorageError) -> Outcome {
    Outcome::Wait {
        reason: error.to_string(),
    }
}

/// The delivery goes back to the queue as its connection closes.
fn stopping() -> Outcome {
    Outcome::Wait {
        reason: "this trainer is stopping".to_owned(),
    }
}
