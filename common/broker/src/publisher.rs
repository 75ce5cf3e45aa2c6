//! Publishing with confirms, on a connection of its own: a broker that blocks publishers must not keep consumers
//! from acknowledging.

use std::{collections::HashSet, future::Future, mem, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use lapin::{
    Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use service::error::chain;
use tokio::{
    sync::{Mutex, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    backoff::Backoff,
    connection::{BrokerSettings, Link},
    error::BrokerError,
    link_state::{LinkState, Reporter},
    message::{DeadLetter, Message, Outgoing, Published},
    session::pause,
};

/// How long the broker may take to confirm a batch.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes; cheap to clone, all clones share one connection, opened at the first use and again after an error.
#[derive(Clone)]
pub struct Publisher {
    inner: Arc<Inner>,
}

struct Inner {
    settings: BrokerSettings,
    reporter: Reporter,
    link: Mutex<Slot>,
}

/// The publisher's connection.
enum Slot {
    Closed,
    Ready(Link),
    /// The broker blocked it with messages under way. It is kept, unused, until it is unblocked: a blocked
    /// connection cannot even be closed, and a new one would be blocked as well.
    Stalled(Link),
}

impl Publisher {
    /// A publisher that will connect at its first use.
    pub fn new(settings: BrokerSettings) -> Self {
        let reporter = Reporter::new(&format!("{} publish", settings.service));
        Self {
            inner: Arc::new(Inner {
                settings,
                reporter,
                link: Mutex::new(Slot::Closed),
            }),
        }
    }

    /// The state of its connection, for readiness.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.inner.reporter.watch()
    }

    /// Connects and declares the topology, unless that is done. A relay calls it when it has nothing to publish,
    /// so that the topology exists from the start and [`Publisher::state`] stays true.
    ///
    /// # Errors
    /// When there is no connection, or the broker blocks it. Try again later.
    pub async fn connect(&self) -> Result<(), BrokerError> {
        let mut slot = self.inner.link.lock().await;
        *slot = Slot::Ready(self.inner.usable(&mut slot).await?);
        Ok(())
    }

    /// Publishes events and waits for all confirms; the answers are in the order of the batch.
    ///
    /// # Errors
    /// When it is not known that the broker has the messages: they may arrive, even twice. The connection is
    /// dropped and the next call makes a new one; there is no retry in here.
    pub async fn publish(&self, batch: &[Message]) -> Result<Vec<Published>, BrokerError> {
        let outgoing: Vec<_> = batch.iter().map(Outgoing::event).collect::<Result<_, _>>()?;
        self.send(&outgoing).await
    }

    /// Publishes a dead letter, again and again until the broker has it; gives up, with a word in the log, when `stop`
    /// fires before.
    pub async fn dead_letter(&self, letter: DeadLetter, stop: &CancellationToken) {
        let (queue, reason) = (letter.queue.clone(), letter.reason.clone());
        let batch = match Outgoing::dead_letter(letter) {
            Ok(outgoing) => [outgoing],
            Err(error) => return error!(queue, reason, error = chain(&error), "this can be no dead letter"),
        };
        let (mut backoff, mut logged) = (Backoff::new(), false);
        while let Err(error) = self.put_aside(&batch).await {
            let cause = chain(&error);
            if !std::mem::replace(&mut logged, true) {
                warn!(
                    queue,
                    reason, cause, "a dead letter cannot be published, trying again"
                );
            }
            if pause(backoff.next_delay(), stop).await.is_err() {
                return error!(
                    queue,
                    reason, cause, "a dead letter was not published before the stop"
                );
            }
        }
    }

    /// Publishes one message, which counts only when a queue has it.
    pub(crate) async fn put_aside(&self, batch: &[Outgoing; 1]) -> Result<(), BrokerError> {
        let why = match self.send(batch).await?.first() {
            Some(Published::Confirmed) => return Ok(()),
            Some(Published::Returned) => "no queue takes it",
            Some(Published::Refused) | None => "it is refused",
        };
        // Somebody may have deleted the queue.
        self.redeclare().await?;
        let [message] = batch;
        Err(BrokerError::NotTaken {
            queue: message.exchange.to_string(),
            why,
        })
    }

    pub(crate) async fn send(&self, batch: &[Outgoing]) -> Result<Vec<Published>, BrokerError> {
        let mut slot = self.inner.link.lock().await;
        // The slot stays closed if this future is dropped half-way: nobody would wait for the rest of the confirms.
        let link = self.inner.usable(&mut slot).await?;
        let sent = within_limits(&link, send_and_confirm(&link, batch)).await;
        *slot = self.inner.keep(link, &sent);
        drop(slot);
        count(&sent, batch.len());
        sent
    }

    /// Declares the topology again, after a message reached no queue that ought to exist.
    ///
    /// # Errors
    /// When there is no connection, or the broker refuses.
    pub async fn redeclare(&self) -> Result<(), BrokerError> {
        let mut slot = self.inner.link.lock().await;
        let link = self.inner.usable(&mut slot).await?;
        let declared = link.redeclare(&self.inner.settings.topology).await;
        *slot = self.inner.keep(link, &declared);
        declared
    }
}

impl Inner {
    /// Takes the connection out of the slot, or makes a new one.
    async fn usable(&self, slot: &mut Slot) -> Result<Link, BrokerError> {
        let link = match mem::replace(slot, Slot::Closed) {
            Slot::Ready(link) | Slot::Stalled(link) if link.is_open() && link.blocked_reason().is_some() => {
                let reason = link.blocked_reason().unwrap_or_default();
                *slot = Slot::Stalled(link);
                return Err(BrokerError::Blocked(reason));
            }
            Slot::Ready(link) if link.is_open() => return Ok(link),
            // Unblocked again: what was under way then is confused with what is sent next, so start afresh.
            Slot::Stalled(link) => Some(link),
            Slot::Ready(_) | Slot::Closed => None,
        };
        drop(link);
        self.open()
            .await
            .inspect_err(|error| self.reporter.report(LinkState::Down(chain(error))))
    }

    async fn open(&self) -> Result<Link, BrokerError> {
        let link = Link::open(&self.settings, &self.reporter).await?;
        let confirms = link
            .channel()
            .confirm_select(ConfirmSelectOptions::default())
            .await;
        confirms.map_err(BrokerError::Lost)?;
        link.report_usable();
        Ok(link)
    }

    /// What becomes of the connection after it was used.
    fn keep<T>(&self, link: Link, used: &Result<T, BrokerError>) -> Slot {
        match used {
            Ok(_) => Slot::Ready(link),
            Err(BrokerError::Blocked(_)) => Slot::Stalled(link),
            Err(error) => {
                self.reporter.report(LinkState::Down(chain(error)));
                Slot::Closed
            }
        }
    }
}

/// Gives up when the broker blocks the connection, or after [`CONFIRM_TIMEOUT`].
async fn within_limits<T>(
    link: &Link,
    work: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    tokio::select! {
        done = timeout(CONFIRM_TIMEOUT, work) => {
            done.unwrap_or(Err(BrokerError::Timeout { doing: "confirm messages", after: CONFIRM_TIMEOUT }))
        }
        blocked = link.blocked() => Err(blocked),
    }
}

/// Sends all, then waits for all confirms.
async fn send_and_confirm(link: &Link, batch: &[Outgoing]) -> Result<Vec<Published>, BrokerError> {
    let mut confirms = Vec::with_capacity(batch.len());
    for message in batch {
        confirms.push(send_one(link, message).await.map_err(BrokerError::Lost)?);
    }
    let confirmations = try_join_all(confirms).await.map_err(BrokerError::Lost)?;
    Ok(verdicts(batch, confirmations))
}

async fn send_one(link: &Link, message: &Outgoing) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions {
        mandatory: message.mandatory,
        immediate: false,
    };
    let (exchange, key) = (message.exchange.clone(), message.routing_key.clone());
    link.channel()
        .basic_publish(exchange, key, options, &message.body, message.properties())
        .await
}

/// One answer for each message. lapin hands a returned message to whichever confirm comes next, which need not be
/// its own when the broker confirms several at once: so they are matched by message id.
fn verdicts(batch: &[Outgoing], confirmations: Vec<Confirmation>) -> Vec<Published> {
    let refused: Vec<bool> = confirmations.iter().map(Confirmation::is_nack).collect();
    let returned: HashSet<ShortString> = confirmations
        .into_iter()
        .filter_map(Confirmation::take_message)
        .filter_map(|message| message.delivery.properties.message_id().clone())
        .collect();
    let verdict = |(message, refused): (&Outgoing, bool)| match refused {
        true => Published::Refused,
        false if returned.contains(&message.message_id) => Published::Returned,
        false => Published::Confirmed,
    };
    batch.iter().zip(refused).map(verdict).collect()
}

fn count(sent: &Result<Vec<Published>, BrokerError>, batch_len: usize) {
    let count = |result: &'static str, n: usize| {
        metrics::counter!("broker_messages_published_total", "result" => result).increment(n as u64);
    };
    match sent {
        Err(_) => count("unknown", batch_len),
        Ok(published) => published.iter().for_each(|one| match one {
            Published::Confirmed => count("confirmed", 1),
            Published::Returned => count("returned", 1),
            Published::Refused => count("refused", 1),
        }),
    }
}

#[cfg(test)]
mod tests {
    use lapin::{
        BasicProperties,
        message::{BasicReturnMessage, Delivery},
    };
    use uuid::Uuid;

    use super::*;

    fn outgoing() -> Outgoing {
        let message = Message {
            id: Uuid::now_v7(),
            routing_key: "dataset.ready".into(),
            body: vec![],
            must_route: true,
        };
        Outgoing::event(&message).unwrap()
    }

    fn returned(message: &Outgoing) -> Option<BasicReturnMessage> {
        let mut delivery = Delivery::mock(0, "".into(), "".into(), false, vec![]);
        delivery.properties = BasicProperties::default().with_message_id(message.message_id.clone());
        Some(BasicReturnMessage {
            delivery,
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
        })
    }

    #[test]
    fn a_returned_message_is_recognized_whichever_confirm_carries_it() {
        let batch = [outgoing(), outgoing(), outgoing()];
        let confirmations = vec![
            Confirmation::Ack(returned(&batch[2])),
            Confirmation::Nack(None),
            Confirmation::Ack(None),
        ];
        let expected = [Published::Confirmed, Published::Refused, Published::Returned];
        assert_eq!(verdicts(&batch, confirmations), expected);
    }
}
