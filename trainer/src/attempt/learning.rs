//! The learner at work in a thread of its own, and what it tells meanwhile.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use ::service::error::chain;
use anyhow::Context as _;
use domain::run::{Progress, TrainingRun, Trial};
use model::{
    Split,
    learn::{self, LearnError, Learner, Made, Resources, Watch},
};
use storage::runs::claim::Lease;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Trouble;
use crate::{memory::Reserved, trainer::Trainer};

/// A model that is not committed yet.
pub(crate) type Learned = Made;

/// Trains in the memory that is `reserved`, and writes down every batch of trials as it ends.
pub(super) async fn learn(
    trainer: &Trainer,
    lease: &Lease,
    samples: Split,
    reserved: Reserved,
    log: &mut Vec<String>,
    seen: &(impl Fn(Progress) + Send),
) -> Result<(Learned, Reserved), Trouble> {
    let learner = serde_json::from_value(lease.settings.clone());
    let learner: Learner =
        learner.map_err(|error| Trouble::Damaged(format!("the run's settings cannot be read: {error}")))?;
    let seed = lease.seed;
    let resources = Resources {
        threads: reserved.threads,
        ..trainer.resources
    };
    let (watcher, mut batches) = Watcher::new(trainer.time_limit);
    // Dropped when this future is, as on a stop: the thread then ends at its next look.
    let cancel = CancelOnDrop(Arc::clone(&watcher.cancelled));
    let learner = trainer.learning.spawn_blocking(move || {
        let made = learn::make(&learner, &samples, seed, &resources, &watcher);
        (made, reserved)
    });
    while let Some((progress, trials)) = batches.recv().await {
        seen(progress);
        note(trainer, lease, progress, &trials).await?;
    }
    let made = learner.await;
    drop(cancel);
    let (made, reserved) =
        made.map_err(|panic| Trouble::Failed(format!("the learner broke down: {panic}")))?;
    let made = made.map_err(|error| match error {
        LearnError::Cancelled => Trouble::Stopped,
        // There was less than the estimate promised; there may be more at the next try.
        LearnError::OutOfMemory(_) => Trouble::Failed(chain(&error)),
        error => Trouble::NoModel(chain(&error)),
    })?;
    let holdout = &made.metrics.holdout.errors;
    if !made.trials.is_empty() {
        log.push(format!(
            "{} trials, {} of them pruned",
            made.trials.len(),
            pruned(&made.trials)
        ));
    }
    log.push(format!(
        "holdout MAE {:.2} USD over {} samples",
        holdout.mae, holdout.n
    ));
    Ok((made, reserved))
}

/// What it takes to train a model again.
pub(crate) struct Repeated {
    learner: Learner,
    seed: u64,
}

impl Repeated {
    /// As this run did: with the trials that it completed, though it may have wanted more.
    pub(crate) fn of(run: &TrainingRun) -> anyhow::Result<Self> {
        let learner: Learner = serde_json::from_value(run.settings.clone())
            .context("the run was made before runs recorded their settings")?;
        let trials = run.trials.as_ref().map_or(0, Vec::len);
        Ok(Self {
            learner: learner.with_trials(u32::try_from(trials)?).unwrap_or(learner),
            seed: run.seed,
        })
    }
}

/// Trains without a run.
pub(crate) async fn learn_alone(
    trainer: &Trainer,
    Repeated { learner, seed }: Repeated,
    samples: Split,
    reserved: Reserved,
    seen: impl Fn(Progress),
) -> anyhow::Result<Learned> {
    // The trials to repeat are counted, not timed.
    let (watcher, mut batches) = Watcher::new(Duration::MAX);
    let resources = Resources {
        threads: reserved.threads,
        ..trainer.resources
    };
    let made = trainer
        .learning
        .spawn_blocking(move || learn::make(&learner, &samples, seed, &resources, &watcher));
    while let Some((progress, _)) = batches.recv().await {
        seen(progress);
    }
    Ok(made.await??)
}

fn pruned(trials: &[Trial]) -> usize {
    trials.iter().filter(|trial| trial.pruned).count()
}

/// Writes a batch into the run's row, the log and the metrics. While Postgres is away it is not written there, and
/// the whole search goes on.
async fn note(trainer: &Trainer, lease: &Lease, progress: Progress, trials: &[Trial]) -> Result<(), Trouble> {
    let (done, total) = (progress.done, progress.total);
    info!(run.id = %lease.run_id, done, total, best_mae = progress.best_mae, "trial {done} of {total}");
    let kind = lease.kind.name();
    metrics::gauge!("lapidary_run_trials_done", "kind" => kind).set(done);
    metrics::gauge!("lapidary_run_trials_total", "kind" => kind).set(total);
    if let Some(best) = progress.best_mae {
        metrics::gauge!("lapidary_run_best_mae_usd", "kind" => kind).set(best);
    }
    let noted = trainer.backend.database.note_progress(lease, progress, trials);
    match noted.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Trouble::LeaseLost),
        Err(error) => {
            warn!(run.id = %lease.run_id, error = chain(&error), "the progress could not be written down");
            Ok(())
        }
    }
}

/// The learner's eyes and ears: the clock, the time limit, and the word to stop.
struct Watcher {
    started: Instant,
    time_limit: Duration,
    cancelled: Arc<AtomicBool>,
    batches: mpsc::UnboundedSender<(Progress, Vec<Trial>)>,
}

impl Watcher {
    fn new(time_limit: Duration) -> (Self, mpsc::UnboundedReceiver<(Progress, Vec<Trial>)>) {
        let (batches, received) = mpsc::unbounded_channel();
        let watcher = Self {
            started: Instant::now(),
            time_limit,
            cancelled: Arc::default(),
            batches,
        };
        (watcher, received)
    }
}

impl Watch for Watcher {
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn is_time_over(&self) -> bool {
        self.started.elapsed() >= self.time_limit
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn trials_ended(&self, progress: Progress, trials: &[Trial]) {
        // Nobody listens only when the attempt is over.
        let _ = self.batches.send((progress, trials.to_vec()));
    }
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
