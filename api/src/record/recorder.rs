//! The recorder: takes a record, and comes back when it is durable.

use std::{
    fmt,
    sync::{
        Arc,
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
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::{accounts::Accounts, admission::Admission, committer, drain, queue::Queue};

/// Records traffic; one for the process.
pub(crate) struct Recorder {
    pub(super) queue: Queue,
    pub(super) admission: Admission,
    pub(super) accounts: Accounts,
    pub(super) spool: Arc<Spool>,
    tasks: TaskTracker,
    pub(super) commit_timeout: Duration,
    component: Component,
    clock: Clock,
    most_requests: usize,
    is_away: AtomicBool,
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
            spool: Arc::new(spool),
            tasks: lifecycle.tasks(),
            commit_timeout: config.commit_timeout,
            component: health.component("traffic", Need::Essential),
            clock: clock.clone(),
            most_requests: config.max_requests,
            is_away: AtomicBool::new(false),
        });
        let committing = committer::start(Arc::clone(&recorder), database.traffic_writer())
            .context("no thread for the committer")?;
        watch("committer", committing, lifecycle);
        let standing_in = committer::start_stand_in(Arc::clone(&recorder), database.traffic_writer())
            .context("no thread for the committer's stand-in")?;
        watch("stand-in", standing_in, lifecycle);
        let draining = drain::run(Arc::clone(&recorder), database.clone());
        watch("drain", tokio::spawn(draining), lifecycle);
        Ok(recorder)
    }

    /// Where answers are finished for which nobody waits any more.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Keeps a record; comes back when it is on disk, in Postgres or in the spool.
    pub(super) async fn keep(&self, record: Box<TrafficRecord>) -> Result<(), Unrecorded> {
        self.queue.push(record).await.map(drop).map_err(|_| Unrecorded)
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
        metrics::gauge!("lapidary_traffic_spool_bytes").set(bytes as f64);
        metrics::gauge!("lapidary_traffic_spool_limit_bytes").set(limit as f64);
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
