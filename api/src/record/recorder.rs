//! The recorder: takes a record, and comes back when it is durable.

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::service::{
    clock::Clock,
    config::Config,
    health::{Component, Health, Need},
    lifecycle::Lifecycle,
};
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::traffic::TrafficRecord;
use storage::{Database, spool::Spool};
use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use super::{
    accounts::Accounts,
    admission::Admission,
    budget::Budgets,
    committer, drain,
    queue::Queue,
    redact::{is_large, redact},
    refusals::Refusals,
};
use crate::access::Counted;

/// How often it is looked for refusals that are counted and not on record.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);
/// Large records that are redacted at a time: one, so that others find a processor.
const LARGE_AT_WORK: usize = 1;

/// Records traffic; one for the process.
pub(crate) struct Recorder {
    pub(super) queue: Queue,
    pub(super) admission: Admission,
    pub(super) accounts: Accounts,
    pub(super) refusals: Refusals,
    budgets: Budgets,
    large_at_work: Semaphore,
    pub(super) spool: Arc<Spool>,
    tasks: TaskTracker,
    pub(super) commit_timeout: Duration,
    component: Component,
    clock: Clock,
    most_requests: usize,
    is_away: AtomicBool,
    /// What the disk of the spool does not do, and why, until it does.
    disk_trouble: Mutex<BTreeMap<&'static str, String>>,
}

/// The record is kept nowhere: the answer must not leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unrecorded;

impl Recorder {
    /// Claims a spool and starts the committer and the drain; needs no Postgres to begin.
    pub(crate) fn start(
        config: &Config,
        database: &Database,
        health: &Health,
        clock: &Clock,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Arc<Self>> {
        let share = config.api.address_share;
        let config = &config.traffic;
        let spool =
            Spool::open(&config.spool, config.spool_max_bytes).context("traffic.spool cannot be used")?;
        info!(folder = ?spool.folder(), bytes = spool.bytes(), "the spool is ready");
        let recorder = Arc::new(Self {
            queue: Queue::default(),
            admission: Admission::new(config.max_requests, config.max_bytes, share, config.wait),
            accounts: Accounts::default(),
            refusals: Refusals::default(),
            budgets: Budgets::new(config.key_bytes_per_minute, config.address_bytes_per_minute),
            large_at_work: Semaphore::new(LARGE_AT_WORK),
            spool: Arc::new(spool),
            tasks: lifecycle.tasks(),
            commit_timeout: config.commit_timeout,
            component: health.component("traffic", Need::Essential),
            clock: clock.clone(),
            most_requests: config.max_requests,
            is_away: AtomicBool::new(false),
            disk_trouble: Mutex::default(),
        });
        let committing = committer::start(Arc::clone(&recorder), database.traffic_writer())
            .context("no thread for the committer")?;
        watch("committer", committing, lifecycle);
        let standing_in = committer::start_stand_in(Arc::clone(&recorder), database.traffic_writer())
            .context("no thread for the committer's stand-in")?;
        watch("stand-in", standing_in, lifecycle);
        let draining = drain::run(Arc::clone(&recorder), database.clone());
        watch("drain", tokio::spawn(draining), lifecycle);
        let (counting, stop) = (Arc::clone(&recorder), lifecycle.soft_stop());
        lifecycle.spawn("refusals", async move {
            counting.record_refusals(stop).await;
            Ok(())
        });
        Ok(recorder)
    }

    /// Where answers are finished for which nobody waits any more.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Keeps what is to be kept of a record of a request from this address, if that is limited; comes back when it is on
    /// disk, in Postgres or in the spool.
    pub(super) async fn keep(
        self: &Arc<Self>,
        mut record: Box<TrafficRecord>,
        network: Option<IpAddr>,
    ) -> Result<(), Unrecorded> {
        if is_large(&record) {
            // Whatever it takes, short requests do not wait for it.
            let turn = self.large_at_work.acquire().await;
            let this = Arc::clone(self);
            let leaving = move || this.leave_what_is_kept(record, network);
            record = spawn_blocking(leaving).await.map_err(|_| Unrecorded)?;
            drop(turn);
        } else {
            record = self.leave_what_is_kept(record, network);
        }
        self.queue.push(record).await.map(drop).map_err(|_| Unrecorded)
    }

    fn leave_what_is_kept(
        &self,
        mut record: Box<TrafficRecord>,
        network: Option<IpAddr>,
    ) -> Box<TrafficRecord> {
        redact(&mut record);
        let by_key = record.key_id.map(Counted::Key);
        self.budgets
            .apply(by_key.or(network.map(Counted::Address)), &mut record);
        record
    }

    /// Writes down, second by second, how many refusals were counted; at the end, all that are left.
    async fn record_refusals(&self, stop: CancellationToken) {
        loop {
            let stopped = stop.run_until_cancelled(sleep(REFUSALS_EVERY)).await.is_none();
            let records = if stopped {
                self.refusals.close()
            } else {
                self.refusals.before(self.clock.now().timestamp())
            };
            // All at once: each waits for its transaction.
            let kept: Vec<_> = records
                .into_iter()
                .map(|record| self.queue.push(record))
                .collect();
            for one in kept {
                // What is kept nowhere is counted as refused.
                let _ = one.await;
            }
            if stopped {
                return;
            }
        }
    }

    /// Whether nothing new can be taken in: Postgres is away, and the spool all but full. Checked before a handler
    /// does anything, and a little early, so that those under way still find room.
    pub(super) fn is_closed(&self) -> bool {
        self.is_away() && self.spool.bytes() >= self.spool.limit() / 20 * 19
    }

    /// Counts requests that were refused because of that.
    pub(super) fn refuse(&self, requests: u64) {
        self.accounts.refused(requests);
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// Postgres takes no records: from now on they go to the spool.
    pub(super) fn away(&self, why: &str) {
        if !self.is_away.swap(true, Ordering::AcqRel) {
            warn!(why, "Postgres takes no traffic records; they go to the spool");
            self.tell();
        }
    }

    /// Postgres takes records again.
    pub(super) fn back(&self) {
        if self.is_away.swap(false, Ordering::AcqRel) {
            info!("Postgres takes traffic records again");
        }
    }

    /// The disk of the spool does not do `what`: told once, and in readiness until it does.
    pub(super) fn disk_fails(&self, what: &'static str, why: String) {
        let before = self.disk_trouble().insert(what, why.clone());
        if before.as_ref() != Some(&why) {
            error!(what, why, "the spool's disk fails");
        }
    }

    /// It does.
    pub(super) fn disk_works(&self, what: &str) {
        self.disk_trouble().remove(what);
    }

    /// Postgres takes records, and none are left in the spool: nothing depends any more on what its disk did not do, such
    /// as a write, which would not be tried again to learn that it works.
    pub(super) fn disk_is_not_needed(&self) {
        self.disk_trouble().clear();
    }

    /// A panic while it was locked leaves it whole: texts are put in and taken out.
    fn disk_trouble(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.disk_trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record that Postgres will never take, kept in a file of its own.
    pub(super) fn set_aside(&self, id: uuid::Uuid, why: &str, path: &std::path::Path) {
        error!(request.id = %id, why, ?path, "Postgres refuses a traffic record; it is kept in a file");
        self.accounts.set_aside();
    }

    /// The day, in UTC.
    pub(super) fn today(&self) -> NaiveDate {
        self.clock.now().date_naive()
    }

    /// Tells readiness and metrics how it is.
    pub(crate) fn tell(&self) {
        let (bytes, limit) = (self.spool.bytes(), self.spool.limit());
        let share = bytes as f64 / limit as f64;
        let trouble = self
            .disk_trouble()
            .first_key_value()
            .map(|(what, why)| format!("{what}: {why}"));
        if let Some(trouble) = trouble {
            let told = format!("the spool's disk fails: {trouble}");
            // Without Postgres, every request depends on it.
            if self.is_away() {
                self.component.down(told);
            } else {
                self.component.degraded(told);
            }
            return self.measure_spool();
        }
        match (self.is_away(), bytes) {
            (true, _) if self.is_closed() => self.component.down(format!(
                "Postgres takes no records and the spool is full ({bytes} of {limit} bytes): requests are refused"
            )),
            (_, bytes) if share >= 0.8 => self
                .component
                .degraded(format!("the spool is nearly full: {bytes} of {limit} bytes")),
            (true, _) => self
                .component
                .degraded("Postgres takes no records; they go to the spool"),
            (false, 0) => self.component.up(),
            (false, _) => self.component.degraded("records are being drained from the spool"),
        }
        self.measure_spool();
    }

    fn measure_spool(&self) {
        metrics::gauge!("lapidary_traffic_spool_bytes").set(self.spool.bytes() as f64);
        metrics::gauge!("lapidary_traffic_spool_limit_bytes").set(self.spool.limit() as f64);
        metrics::gauge!("lapidary_traffic_away").set(f64::from(u8::from(self.is_away())));
    }

    /// Renders the metrics, with accounts that add up and gauges of this moment.
    pub(crate) fn scrape<T>(&self, render: impl FnOnce() -> T) -> T {
        self.tell();
        let oldest = self.spool.oldest().map_or(0.0, |since| {
            let age = self.clock.now().signed_duration_since(since);
            age.as_seconds_f64().max(0.0)
        });
        metrics::gauge!("lapidary_traffic_spool_oldest_seconds").set(oldest);
        metrics::gauge!("lapidary_traffic_queue").set(self.queue.len() as f64);
        let in_hand = self.admission.in_hand(self.most_requests);
        metrics::gauge!("lapidary_traffic_requests_in_hand").set(in_hand as f64);
        self.accounts.scrape(render)
    }
}

/// What runs for as long as the process, beyond the request to stop, for requests in hand still want their records: its
/// end is the process'.
fn watch<T: fmt::Debug>(
    name: &'static str,
    running: impl Future<Output = T> + Send + 'static,
    lifecycle: &Lifecycle,
) {
    let stop = lifecycle.soft_stop();
    lifecycle.spawn(name, async move {
        tokio::select! {
            ended = running => anyhow::bail!("it ended: {ended:?}"),
            () = stop.cancelled() => Ok(()),
        }
    });
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use ::service::lifecycle::Ending;
    use tokio::time::timeout;

    use super::*;

    /// Longer than it takes to notice.
    const LONG: Duration = Duration::from_secs(60);

    /// How the process ends whose committer does `work`.
    async fn ending(work: impl Future<Output = ()> + Send + 'static) -> Ending {
        let lifecycle = Lifecycle::new(LONG).unwrap();
        let committing = committer::on_a_thread("committer", work).unwrap();
        watch("committer", committing, &lifecycle);
        let ending = timeout(LONG / 2, lifecycle.run_until_stopped()).await;
        ending.expect("it lives on without its committer")
    }

    #[tokio::test]
    async fn a_committer_that_ends_or_dies_takes_the_process_with_it() {
        assert_eq!(ending(ready(())).await, Ending::Failed);
        assert_eq!(ending(async { panic!("on purpose") }).await, Ending::Failed);
    }
}
