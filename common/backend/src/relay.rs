//! The relay: publishes the outbox's events, and marks them once the broker has them. Events that the broker refuses
//! wait for a time of their own each and are passed over meanwhile.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use broker::{Message, Published};
use service::{
    error::chain,
    failpoint,
    health::{Component, Watchdog},
};
use storage::outbox::{Backlog, OldestEvent, Unpublished};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Backend, STALLED, until_stopped};

/// How many events that were never refused are published at a time.
const BATCH: u64 = 100;
/// How many that were refused are tried again with each batch. A look tries more of them for as long as the broker takes
/// all, and so empties the outbox after an outage; events that it still refuses never take much from others.
const RETRIES: u64 = 10;
/// An event that waits longer than this, or a look that takes longer, degrades readiness.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Relays until told to stop; looks whenever something was committed here, and every `interval`. Nothing is lost when a
/// server does not answer at the stop, for another relay publishes the rest.
pub(crate) async fn run(
    backend: Backend,
    component: Component,
    interval: Duration,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let watchdog = component.watchdog(STALLED);
    let mut report = Report::new(component);
    loop {
        match until_stopped(&stop, relay_all(&backend, &watchdog)).await {
            None => return Ok(()),
            Some(Ok(backlog)) => report.looked(&backlog),
            Some(Err(error)) => report.failed(&error),
        }
        watchdog.idle();
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = backend.wake_relay.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// How a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    /// There was nothing to publish.
    Empty,
    /// It was published, and the broker took every event in it that it had refused before.
    RetriesTaken,
    /// It was published, and the broker refused some event once more.
    RefusedAgain,
}

/// Publishes what there is to publish; what is left waits for the broker. A batch is progress, however many there are.
async fn relay_all(backend: &Backend, watchdog: &Watchdog) -> anyhow::Result<Backlog> {
    let mut retries = RETRIES;
    let published = loop {
        watchdog.working_on("relaying events");
        match relay_batch(backend, retries).await {
            Ok(Batch::RetriesTaken) => {}
            Ok(Batch::RefusedAgain) => retries = 0,
            Ok(Batch::Empty) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let backlog = backend.database.backlog().await?;
    metrics::gauge!("lapidary_outbox_waiting").set(backlog.waiting as f64);
    metrics::gauge!("lapidary_events_refused").set(backlog.refused as f64);
    let oldest = backlog
        .oldest
        .as_ref()
        .map_or(Duration::ZERO, |oldest| oldest.age);
    metrics::gauge!("lapidary_outbox_oldest_seconds").set(oldest.as_secs_f64());
    published.map(|()| backlog)
}

/// Relays one batch, with up to `retries` events that were refused before.
async fn relay_batch(backend: &Backend, retries: u64) -> anyhow::Result<Batch> {
    // Before the transaction begins, which must not be idle while a connection is made. With nothing to publish, too: the
    // topology shall exist, and readiness tell the truth.
    backend.publisher.connect().await?;
    let taken = backend.database.take_unpublished(BATCH, retries).await?;
    if taken.events.is_empty() {
        return Ok(Batch::Empty);
    }
    let messages: Vec<_> = taken.events.iter().map(message).collect();
    failpoint::reach("publishing");
    let answers = backend.publisher.publish(&messages).await?;
    let confirmed: Vec<_> = messages
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == Published::Confirmed)
        .map(|(m, _)| m.id)
        .collect();
    failpoint::reach("published");
    let batch = retried(taken.events.iter().map(|event| event.was_refused), &answers);
    let waited = taken.mark(|event| confirmed.contains(&event.id)).await?;
    for waited in waited {
        metrics::histogram!("lapidary_event_waited_seconds").record(waited.as_secs_f64());
    }
    metrics::counter!("lapidary_events_published_total").increment(confirmed.len() as u64);
    if answers.contains(&Published::Returned) {
        // Somebody may have deleted a queue; what it missed is published again later.
        let redeclared = backend.publisher.redeclare().await;
        redeclared.context("the queues cannot be declared again")?;
    }
    Ok(batch)
}

/// How a batch went, whose events `were_refused` before, or not, and got these answers.
fn retried(were_refused: impl Iterator<Item = bool>, answers: &[Published]) -> Batch {
    let mut retries = were_refused.zip(answers).filter(|(was_refused, _)| *was_refused);
    match retries.all(|(_, answer)| *answer == Published::Confirmed) {
        true => Batch::RetriesTaken,
        false => Batch::RefusedAgain,
    }
}

fn message(event: &Unpublished) -> Message {
    Message {
        id: event.id,
        routing_key: event.name.clone(),
        body: event.body.to_string().into_bytes(),
        must_route: event.must_route,
    }
}

/// Tells the log, at each change, and readiness how the relay is.
struct Report {
    component: Component,
    failing: bool,
    refusing: bool,
    /// The oldest event, and since when it has been that; by this process' clock, because events carry other clocks'
    /// times.
    oldest: Option<(i64, Instant)>,
}

impl Report {
    fn new(component: Component) -> Self {
        Self {
            component,
            failing: false,
            refusing: false,
            oldest: None,
        }
    }

    fn failed(&mut self, error: &anyhow::Error) {
        let error = chain(error.as_ref());
        if std::mem::replace(&mut self.failing, true) {
            tracing::debug!(error, "the outbox still waits");
        } else {
            warn!(error, "events wait in the outbox");
        }
        self.component
            .degraded(format!("events wait in the outbox: {error}"));
    }

    fn looked(&mut self, backlog: &Backlog) {
        self.failing = false;
        let refused = backlog.refused;
        match (std::mem::replace(&mut self.refusing, refused > 0), refused > 0) {
            (false, true) => warn!(
                refused,
                "the broker refuses events; they are published later, others now"
            ),
            (true, false) => info!("the broker has taken every event"),
            _ => {}
        }
        match self.stuck(backlog.oldest.as_ref()) {
            Some(reason) => self.component.degraded(reason),
            None => self.component.up(),
        }
    }

    /// What is wrong, when the same event has been the oldest for too long.
    fn stuck(&mut self, oldest: Option<&OldestEvent>) -> Option<String> {
        let Some(oldest) = oldest else {
            self.oldest = None;
            return None;
        };
        let since = match self.oldest {
            Some((seq, since)) if seq == oldest.seq => since,
            _ => Instant::now(),
        };
        self.oldest = Some((oldest.seq, since));
        let waited = since.elapsed();
        (waited > LONGEST_WAIT).then(|| {
            let (name, refusals, seconds) = (&oldest.name, oldest.refusals, waited.as_secs());
            format!(
                "{name} has waited to be published for {seconds} s, and the broker has refused it {refusals} times: \
                 is a queue full that nobody consumes, or has no trainer bound one yet? (`trainer kinds`)"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use service::{
        clock::Clock,
        health::{Health, Need, State},
    };

    use super::*;

    fn backlog(seq: i64) -> Backlog {
        let oldest = OldestEvent {
            seq,
            name: "dataset.ready".to_owned(),
            refusals: 7,
            age: Duration::ZERO,
        };
        Backlog {
            waiting: 1,
            refused: 1,
            oldest: Some(oldest),
        }
    }

    #[test]
    fn retries_go_on_for_as_long_as_the_broker_takes_all_of_them() {
        let answers = [Published::Returned, Published::Confirmed, Published::Confirmed];
        let batch = |were_refused: [bool; 3]| retried(were_refused.into_iter(), &answers);
        assert_eq!(batch([false, true, true]), Batch::RetriesTaken);
        assert_eq!(batch([false, false, false]), Batch::RetriesTaken);
        assert_eq!(batch([true, true, true]), Batch::RefusedAgain);
    }

    /// W3: a queue that is full for long is told, where before `/readyz` said ready.
    #[test]
    fn an_event_that_waits_for_a_minute_degrades_readiness_and_another_one_does_not() {
        let health = Health::new(Clock::system());
        let mut report = Report::new(health.component("relay", Need::Useful));
        let state = || health.snapshot().components["relay"].clone();
        report.looked(&backlog(1));
        assert_eq!(state().state, State::Up);
        report.oldest = Instant::now()
            .checked_sub(LONGEST_WAIT + Duration::from_secs(1))
            .map(|since| (1, since));
        report.looked(&backlog(1));
        assert_eq!(state().state, State::Degraded);
        let detail = state().detail.unwrap();
        assert!(
            detail.starts_with("dataset.ready has waited to be published for 61 s"),
            "{detail}"
        );
        report.looked(&backlog(2));
        assert_eq!(state().state, State::Up);
    }
}
