//! What to do when woken: claim, train, and say what becomes of the message.

use std::time::Duration;

use ::service::{clock::Clock, error::chain, health::Watchdog};
use backend::until_stopped;
use broker::{DeadLetter, Outcome, train_queue};
use domain::{
    DatasetVersion, ModelKind,
    event::{Event, EventData, RunNews},
};
use storage::{
    StorageError,
    runs::claim::{Claim, ClaimTerms, Lease},
};
use tokio::sync::{Mutex, Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::{
    attempt::{self, AttemptError},
    trainer::Trainer,
};

/// Why nothing is claimed any more.
const STOPPING: &str = "this trainer is stopping";

/// Trains one kind, one run at a time.
pub(crate) struct Worker {
    kind: ModelKind,
    trainer: Trainer,
    terms: ClaimTerms,
    watchdog: Watchdog,
    /// Work that a stop waits for.
    tasks: TaskTracker,
    /// Dead letters that are being published. Closed from the start, so that it can be waited for.
    letters: TaskTracker,
    stop: CancellationToken,
    busy: Mutex<()>,
    /// Wakes the sweep, which then learns when to look again.
    look_again: Notify,
}

/// How a look for runs ended.
enum Look {
    /// There is nothing left to do.
    Done,
    /// A run failed; it may be tried again after this long.
    Later(Duration),
    /// The next run cannot be done now, and this is why.
    Wait(String),
}

impl Worker {
    /// A worker that puts its work back when `stop` fires; `watchdog` watches its claims.
    pub(crate) fn new(
        kind: ModelKind,
        trainer: Trainer,
        terms: ClaimTerms,
        watchdog: Watchdog,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let letters = TaskTracker::new();
        letters.close();
        Self {
            kind,
            trainer,
            terms,
            watchdog,
            tasks,
            letters,
            stop,
            busy: Mutex::new(()),
            look_again: Notify::new(),
        }
    }

    /// Answers a `dataset.ready` message: it wakes, and Postgres says what there is to do.
    pub(crate) async fn handle(&self, body: &[u8]) -> Outcome {
        let event = match Event::from_json(body) {
            Ok(event) => event,
            Err(error) => return dead_letter(chain(&error)),
        };
        let EventData::DatasetReady(ready) = event.data else {
            return dead_letter(format!(
                "a trainer has no use for the event {}",
                event.data.name()
            ));
        };
        match until_stopped(&self.stop, self.exists(ready.dataset_version)).await {
            Some(Ok(true)) => self.answer().await,
            Some(Ok(false)) => dead_letter(format!("there is no dataset version {}", ready.dataset_version)),
            Some(Err(error)) => Outcome::Wait {
                reason: chain(&error),
            },
            None => Outcome::Wait {
                reason: STOPPING.to_owned(),
            },
        }
    }

    /// A run that failed needs no message any more: its row says when it may be tried again. The message is
    /// acknowledged only when the broker has the dead letters of the runs that were given up.
    async fn answer(&self) -> Outcome {
        let look = self.train_all().await;
        if let Look::Wait(reason) = look {
            return Outcome::Wait { reason };
        }
        self.letters.wait().await;
        if let Look::Later(_) = look {
            self.look_again.notify_one();
        }
        Outcome::Done
    }

    /// Looks for missing runs at start, every `interval`, and when a failed run may be tried again.
    pub(crate) async fn sweep(&self, interval: Duration) {
        loop {
            let pause = match self.train_all().await {
                Look::Later(wait) => wait.min(interval),
                Look::Done | Look::Wait(_) => interval,
            };
            debug!("looked for missing runs");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.look_again.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn exists(&self, version: DatasetVersion) -> Result<bool, StorageError> {
        let newest = self.trainer.backend.database.newest_dataset().await?;
        Ok(newest >= Some(version))
    }

    async fn train_all(&self) -> Look {
        let _alone = self.busy.lock().await;
        while !self.stop.is_cancelled() {
            // A claim that Postgres does not answer is rolled back, or its lease runs out.
            let Some(claim) = until_stopped(&self.stop, self.claim()).await else {
                break;
            };
            match claim {
                Ok(Claim::Claimed(lease)) => self.run(&lease).await,
                Ok(Claim::GivenUp { lease, error }) => {
                    self.trainer.backend.relay_now();
                    self.give_up(&lease, error);
                }
                Ok(Claim::NothingToDo) => return Look::Done,
                Ok(Claim::Later(wait)) => return Look::Later(wait),
                Ok(Claim::Busy) => return Look::Wait("another trainer holds the run's lease".to_owned()),
                Err(error) => return Look::Wait(chain(&error)),
            }
        }
        // The delivery goes back to the queue as its connection closes.
        Look::Wait(STOPPING.to_owned())
    }

    async fn claim(&self) -> Result<Claim, StorageError> {
        self.watchdog.working_on("claiming a run");
        let claim = self
            .trainer
            .backend
            .database
            .claim_run(self.kind, &self.terms)
            .await;
        self.watchdog.idle();
        claim
    }

    async fn run(&self, lease: &Lease) {
        info!(run.id = %lease.run_id, kind = %lease.kind, dataset.version = lease.dataset_version.get(), attempt = lease.attempt, "training");
        self.trainer.backend.relay_now();
        let ended = attempt::run(&self.trainer, lease, &self.stop, |_| ()).await;
        self.trainer.backend.relay_now();
        let (id, attempt) = (lease.run_id, lease.attempt);
        match ended {
            Ok(_) => {}
            Err(AttemptError::LeaseLost) => {
                warn!(run.id = %id, attempt, "the lease is lost; another trainer has the run");
            }
            Err(AttemptError::Stopped) => info!(run.id = %id, attempt, "the run is put back"),
            Err(AttemptError::NoModel(reason)) => error!(run.id = %id, reason, "the run failed"),
            Err(AttemptError::GivenUp(reason)) => self.give_up(lease, reason),
            Err(AttemptError::TryAgain(reason)) => {
                warn!(run.id = %id, attempt, reason, "the attempt failed");
            }
        }
    }

    /// Tells the operators of a run that has failed for good; the message that woke this worker may be about another.
    ///
    /// The next run does not wait for the dead letter, for the broker may be away; the acknowledgement of a message
    /// does, and so does a stop, for a few seconds. Without the broker the letter is given up then, with a word in the
    /// log; the run's row says the same.
    fn give_up(&self, lease: &Lease, reason: String) {
        error!(run.id = %lease.run_id, reason, "the run failed");
        let (letter, publisher) = (self.letter(lease, reason), self.trainer.backend.publisher());
        let (stop, run_id) = (self.stop.clone(), lease.run_id);
        let published = async move {
            let published = until_stopped(&stop, publisher.dead_letter(letter, &stop)).await;
            if published.is_none() {
                error!(run.id = %run_id, "the run's dead letter was not published before the stop");
            }
        };
        self.tasks.spawn(self.letters.track_future(published));
    }

    fn letter(&self, lease: &Lease, reason: String) -> DeadLetter {
        let failed = EventData::RunFailed(RunNews {
            run_id: lease.run_id,
            kind: lease.kind,
            dataset_version: lease.dataset_version,
            attempt: lease.attempt,
            model_version: None,
            error: Some(reason.clone()),
        });
        DeadLetter {
            queue: train_queue(lease.kind.name()),
            routing_key: failed.name().to_owned(),
            reason,
            about: vec![
                ("run-id", lease.run_id.to_string()),
                ("kind", lease.kind.name().to_owned()),
                ("dataset-version", lease.dataset_version.to_string()),
                ("attempts", lease.attempt.to_string()),
            ],
            body: Event {
                id: Uuid::now_v7(),
                time: Clock::system().now(),
                data: failed,
            }
            .to_json()
            .to_string()
            .into_bytes(),
        }
    }
}

/// Runs that fell silent, of kinds that this trainer does not train, would stay under way for ever if nobody trains
/// them. Their own trainers get twice the length of a lease to take them first.
pub(crate) async fn release_abandoned(
    trainer: Trainer,
    trained: Vec<ModelKind>,
    interval: Duration,
    stop: CancellationToken,
) {
    let (database, grace) = (&trainer.backend.database, trainer.lease * 2);
    loop {
        let released = database.release_abandoned_runs(&trained, grace);
        match until_stopped(&stop, released).await {
            None => return,
            Some(Ok(released)) => {
                for run in &released {
                    warn!(run.id = %run.run_id, kind = run.kind, failed = run.failed, reason = run.reason, "released an abandoned run");
                    trainer.backend.relay_now();
                }
            }
            Some(Err(error)) => debug!(error = chain(&error), "abandoned runs cannot be looked for"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

fn dead_letter(reason: String) -> Outcome {
    Outcome::DeadLetter { reason }
}
