//! What to do when woken: claim, train, and say what becomes of the message.

use std::time::Duration;

use ::service::{clock::Clock, config::Config};
use backend::Backend;
use broker::Outcome;
use domain::{ModelKind, event::Event};
use model::{gate::GateRules, learn::Settings};
use storage::{
    StorageError,
    run_claim::{Claim, ClaimTerms, Lease},
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::attempt::{self, AttemptError};

/// Trains one kind, one run at a time.
pub(crate) struct Worker {
    pub(crate) kind: ModelKind,
    pub(crate) backend: Backend,
    pub(crate) terms: ClaimTerms,
    pub(crate) min_rows: usize,
    pub(crate) rules: GateRules,
    pub(crate) clock: Clock,
    busy: Mutex<()>,
}

impl Worker {
    pub(crate) fn new(kind: ModelKind, backend: Backend, config: &Config, clock: Clock) -> Self {
        let terms = ClaimTerms {
            worker: format!("trainer {}", std::process::id()),
            lease: config.trainer.lease,
            max_attempts: config.trainer.max_attempts,
            seed: config.training.seed,
        };
        let rules = GateRules {
            min_gain: config.promotion.min_gain,
            min_r2: config.promotion.min_r2,
        };
        let min_rows = usize::try_from(config.trainer.min_rows).unwrap_or(usize::MAX);
        Self {
            kind,
            backend,
            terms,
            min_rows,
            rules,
            clock,
            busy: Mutex::new(()),
        }
    }

    /// Answers a `dataset.ready` message.
    pub(crate) async fn handle(&self, body: &[u8]) -> Outcome {
        match Event::from_json(body) {
            Ok(_) => self.train_all().await,
            Err(error) => Outcome::DeadLetter {
                reason: error.to_string(),
            },
        }
    }

    /// Looks for missing runs at start and every `interval`.
    pub(crate) async fn sweep(&self, interval: Duration, stop: CancellationToken) {
        loop {
            if let Outcome::Retry { reason, .. } | Outcome::DeadLetter { reason } = self.train_all().await {
                warn!(reason, "a run found by looking did not succeed");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    pub(crate) fn settings(&self, lease: &Lease) -> Settings {
        Settings {
            seed: lease.seed,
            min_rows: self.min_rows,
        }
    }

    async fn train_all(&self) -> Outcome {
        let _alone = self.busy.lock().await;
        loop {
            match self
                .backend
                .database
                .claim_run(self.kind, &self.terms, self.clock.now())
                .await
            {
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
                Err(error) => return trouble(&error),
            }
        }
    }

    async fn run(&self, lease: &Lease) -> Outcome {
        info!(run.id = %lease.run_id, kind = %lease.kind, dataset.version = lease.dataset_version.get(), attempt = lease.attempt, "training");
        self.backend.relay_now();
        let mut log = Vec::new();
        let ended = attempt::run(self, lease, &mut log).await;
        let outcome = match ended {
            Ok(()) => Outcome::Done,
            Err(AttemptError::LeaseLost) => {
                warn!(run.id = %lease.run_id, attempt = lease.attempt, "the lease is lost; another trainer has the run");
                Outcome::Done
            }
            Err(AttemptError::Useless(reason)) => self.give_up(lease, &reason, &log).await,
            Err(AttemptError::Failed(reason)) => self.try_again(lease, reason, &log).await,
        };
        self.backend.relay_now();
        outcome
    }

    /// The data does not allow a model: more tries would not help.
    async fn give_up(&self, lease: &Lease, reason: &str, log: &[String]) -> Outcome {
        error!(run.id = %lease.run_id, reason, "the run failed");
        match self
            .backend
            .database
            .fail_run(lease, reason, log, self.clock.now())
            .await
        {
            Ok(_) => Outcome::Done,
            Err(error) => trouble(&error),
        }
    }

    async fn try_again(&self, lease: &Lease, reason: String, log: &[String]) -> Outcome {
        warn!(run.id = %lease.run_id, attempt = lease.attempt, reason, "the attempt failed");
        if lease.attempt >= self.terms.max_attempts {
            return match self.give_up(lease, &reason, log).await {
                Outcome::Done => Outcome::DeadLetter { reason },
                other => other,
            };
        }
        match self.backend.database.requeue_run(lease, &reason, log).await {
            Ok(_) => Outcome::Retry {
                reason,
                attempt: lease.attempt,
            },
            Err(error) => trouble(&error),
        }
    }
}

fn trouble(error: &StorageError) -> Outcome {
    Outcome::Wait {
        reason: error.to_string(),
    }
}
