//! The exchanges and queues, declared in full by every process on every connection; declaring what exists is
//! harmless. Correct on RabbitMQ 3.10 and on 4.x.
//!
//! ```text
//! lapidary.events (topic) ─ dataset.ready ─> train.<kind> ──refused too often──> lapidary.dead ─ # ─> dead-letters
//!                                              ^     │ retry
//!                                              └─ train.<kind>.retry.<ms>, one per delay step
//! ```
//!
//! One retry queue per delay step, because a message's own time to live is looked at only at the queue's head: a
//! 0.5 s retry behind an 8 s one would come out at 8 s. They dead-letter through the default exchange straight
//! back to their own `train.<kind>`: through the topic exchange they would wake every kind.

use std::time::Duration;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::error::{BrokerError, name};

/// The topic exchange that all events go through.
pub const EVENTS_EXCHANGE: &str = "lapidary.events";
/// The exchange for messages that operators have to look at.
pub const DEAD_EXCHANGE: &str = "lapidary.dead";
/// The one queue bound to [`DEAD_EXCHANGE`].
pub const DEAD_QUEUE: &str = "dead-letters";
/// The routing key that wakes the training queues.
pub const DATASET_READY: &str = "dataset.ready";
/// How long a delivery stays aside after its first, second, … attempt; the last step serves all later ones.
pub const RETRY_DELAYS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];

/// Queues are bounded: past this, the broker refuses and the outbox keeps the event.
const MAX_LENGTH: i64 = 100_000;
/// Attempts are counted in Postgres. The broker's own count includes closed connections and differs between
/// versions, and `-1` loses messages on 3.10: so a number that is never reached.
const DELIVERY_LIMIT: i64 = 1_000_000;

/// Whether a model kind is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Its queue is bound to [`DATASET_READY`].
    On,
    /// Its queue exists, is explicitly unbound, and keeps what is in it.
    Off,
}

/// The queue of one model kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindQueue {
    /// The kind's name, such as `linear`.
    pub kind: String,
    /// Whether new dataset versions wake it.
    pub switch: Switch,
}

/// Everything that must exist at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Every model kind this build knows.
    pub kinds: Vec<KindQueue>,
    /// The delay steps of retries, shortest first; at least one.
    pub retry_delays: Vec<Duration>,
}

impl Topology {
    /// All known kinds, those in `on` switched on, with [`RETRY_DELAYS`].
    pub fn new(known: &[&str], on: &[String]) -> Self {
        let switch = |kind: &str| {
            if on.iter().any(|name| name == kind) {
                Switch::On
            } else {
                Switch::Off
            }
        };
        let kinds = known
            .iter()
            .map(|kind| KindQueue {
                kind: (*kind).to_owned(),
                switch: switch(kind),
            })
            .collect();
        Self {
            kinds,
            retry_delays: RETRY_DELAYS.to_vec(),
        }
    }

    /// The retry queue for a delivery that has been tried `attempt` times.
    pub(crate) fn retry_queue(&self, kind: &str, attempt: u32) -> String {
        let step = attempt.max(1) as usize - 1;
        let delay = self.retry_delays.get(step).or(self.retry_delays.last());
        retry_queue(kind, delay.copied().unwrap_or(RETRY_DELAYS[0]))
    }
}

/// The name of a kind's queue.
pub fn train_queue(kind: &str) -> String {
    format!("train.{kind}")
}

/// The name of a kind's retry queue for one delay.
pub fn retry_queue(kind: &str, delay: Duration) -> String {
    format!("train.{kind}.retry.{}", delay.as_millis())
}

/// Declares all of it on a channel.
///
/// # Errors
/// When the broker refuses, for example because a queue exists with other arguments.
pub(crate) async fn declare(channel: &Channel, topology: &Topology) -> Result<(), BrokerError> {
    declare_exchange(channel, EVENTS_EXCHANGE).await?;
    declare_exchange(channel, DEAD_EXCHANGE).await?;
    declare_queue(channel, DEAD_QUEUE, bounded_quorum()?).await?;
    bind(channel, DEAD_QUEUE, DEAD_EXCHANGE, "#").await?;
    for queue in &topology.kinds {
        declare_kind(channel, queue, &topology.retry_delays).await?;
    }
    Ok(())
}

async fn declare_kind(
    channel: &Channel,
    queue: &KindQueue,
    retry_delays: &[Duration],
) -> Result<(), BrokerError> {
    let train = train_queue(&queue.kind);
    declare_queue(channel, &train, train_arguments()?).await?;
    for delay in retry_delays {
        let arguments = retry_arguments(&train, *delay)?;
        declare_queue(channel, &retry_queue(&queue.kind, *delay), arguments).await?;
    }
    match queue.switch {
        Switch::On => bind(channel, &train, EVENTS_EXCHANGE, DATASET_READY).await,
        Switch::Off => unbind(channel, &train).await,
    }
}

/// What all durable queues share. `reject-publish` makes the broker refuse what does not fit, where the default
/// would silently drop the oldest.
fn bounded_quorum() -> Result<FieldTable, BrokerError> {
    let mut arguments = FieldTable::default();
    arguments.insert(name("x-queue-type")?, text("quorum"));
    arguments.insert(name("x-max-length")?, AMQPValue::LongLongInt(MAX_LENGTH));
    arguments.insert(name("x-overflow")?, text("reject-publish"));
    arguments.insert(name("x-delivery-limit")?, AMQPValue::LongLongInt(DELIVERY_LIMIT));
    Ok(arguments)
}

fn train_arguments() -> Result<FieldTable, BrokerError> {
    let mut arguments = bounded_quorum()?;
    arguments.insert(name("x-dead-letter-exchange")?, text(DEAD_EXCHANGE));
    arguments.insert(name("x-dead-letter-strategy")?, text("at-least-once"));
    Ok(arguments)
}

fn retry_arguments(train_queue: &str, delay: Duration) -> Result<FieldTable, BrokerError> {
    let milliseconds = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    let mut arguments = bounded_quorum()?;
    arguments.insert(name("x-message-ttl")?, AMQPValue::LongLongInt(milliseconds));
    arguments.insert(name("x-dead-letter-exchange")?, text(""));
    arguments.insert(name("x-dead-letter-routing-key")?, text(train_queue));
    arguments.insert(name("x-dead-letter-strategy")?, text("at-least-once"));
    Ok(arguments)
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn declare_exchange(channel: &Channel, exchange: &str) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let declared = channel.exchange_declare(
        name(exchange)?,
        ExchangeKind::Topic,
        options,
        FieldTable::default(),
    );
    declared.await.map_err(BrokerError::Declare)
}

async fn declare_queue(channel: &Channel, queue: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let declared = channel.queue_declare(name(queue)?, QueueDeclareOptions::durable(), arguments);
    declared.await.map(drop).map_err(BrokerError::Declare)
}

/// Binds a queue to an exchange.
pub(crate) async fn bind(
    channel: &Channel,
    queue: &str,
    exchange: &str,
    key: &str,
) -> Result<(), BrokerError> {
    let (queue, exchange, key) = (name(queue)?, name(exchange)?, name(key)?);
    let bound = channel.queue_bind(
        queue,
        exchange,
        key,
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.map_err(BrokerError::Declare)
}

/// Unbinding what is not bound is no error in RabbitMQ.
async fn unbind(channel: &Channel, train_queue: &str) -> Result<(), BrokerError> {
    let (queue, exchange, key) = (name(train_queue)?, name(EVENTS_EXCHANGE)?, name(DATASET_READY)?);
    let unbound = channel.queue_unbind(queue, exchange, key, FieldTable::default());
    unbound.await.map_err(BrokerError::Declare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_not_named_are_off() {
        let topology = Topology::new(&["linear", "xgboost"], &["linear".to_owned()]);
        let switches: Vec<_> = topology.kinds.iter().map(|queue| queue.switch).collect();
        assert_eq!(switches, [Switch::On, Switch::Off]);
    }

    #[test]
    fn each_attempt_has_its_step_and_the_last_step_serves_all_later_attempts() {
        let topology = Topology::new(&["linear"], &[]);
        let queues = [0, 1, 2, 4, 5, u32::MAX].map(|attempt| topology.retry_queue("linear", attempt));
        let milliseconds = [1_000, 1_000, 5_000, 120_000, 120_000, 120_000];
        assert_eq!(queues, milliseconds.map(|ms| format!("train.linear.retry.{ms}")));
    }
}
