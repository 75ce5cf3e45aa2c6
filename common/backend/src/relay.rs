//! The relay: publishes the outbox's events, and marks them once the broker has them.

use std::time::Duration;

use broker::{BrokerError, Message, Published};
use service::{failpoint, health::Component};
use storage::{StorageError, outbox::Unpublished};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{Backend, STALLED};

const BATCH: u64 = 100;

/// What a round that is under way when the service stops may still take.
const LAST_ROUND: Duration = Duration::from_secs(5);

/// Relays until told to stop; looks whenever something was committed here, and every `interval`.
pub(crate) async fn run(
    backend: Backend,
    interval: Duration,
    component: Component,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let watchdog = component.watchdog(STALLED);
    let mut failing = false;
    loop {
        watchdog.working_on("publishing the outbox's events");
        let relayed = until_stopped(&stop, relay_all(&backend)).await;
        watchdog.idle();
        match relayed {
            None => return Ok(()),
            Some(Ok(())) => {
                component.up();
                failing = false;
            }
            Some(Err(error)) => {
                component.degraded(format!("events wait in the outbox: {error}"));
                match failing {
                    true => tracing::debug!(error, "the outbox still waits"),
                    false => warn!(error, "events wait in the outbox"),
                }
                failing = true;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = backend.wake_relay.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// What `work` comes to, unless the service stops and a server does not answer: nothing is lost then, for another relay
/// publishes what is left.
async fn until_stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = async { stop.cancelled().await; tokio::time::sleep(LAST_ROUND).await } => None,
    }
}

async fn relay_all(backend: &Backend) -> Result<(), String> {
    while relay_batch(backend).await? {}
    let waiting = backend.database.count_unpublished().await.map_err(text)?;
    metrics::gauge!("lapidary_outbox_waiting").set(waiting as f64);
    // With nothing to publish, too: the topology shall exist, and readiness tell the truth.
    backend
        .publisher
        .connect()
        .await
        .map_err(|error| error.to_string())
}

/// Relays one batch; true when there may be more to relay at once.
async fn relay_batch(backend: &Backend) -> Result<bool, String> {
    let taken = backend.database.take_unpublished(BATCH).await.map_err(text)?;
    if taken.events.is_empty() {
        return Ok(false);
    }
    let messages: Vec<_> = taken.events.iter().map(message).collect();
    failpoint::reach("publishing");
    let answers = backend
        .publisher
        .publish(&messages)
        .await
        .map_err(|error: BrokerError| error.to_string())?;
    let confirmed: Vec<_> = messages
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == Published::Confirmed)
        .map(|(m, _)| m.id)
        .collect();
    failpoint::reach("published");
    let all = confirmed.len() == messages.len();
    let waited = taken
        .mark(|event| confirmed.contains(&event.id))
        .await
        .map_err(text)?;
    for waited in waited {
        metrics::histogram!("lapidary_event_waited_seconds").record(waited.as_secs_f64());
    }
    metrics::counter!("lapidary_events_published_total").increment(confirmed.len() as u64);
    if answers.contains(&Published::Returned) {
        // Somebody deleted a queue; what it missed is published again once it is back.
        backend
            .publisher
            .redeclare()
            .await
            .map_err(|error| error.to_string())?;
    }
    if all {
        Ok(true)
    } else {
        Err("the broker returned or refused events".to_owned())
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

fn text(error: StorageError) -> String {
    error.to_string()
}
