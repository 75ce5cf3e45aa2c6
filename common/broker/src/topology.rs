//! The exchanges and queues, declared in full by every process on every connection; declaring what exists is
//! harmless. Correct on RabbitMQ 3.10 and on 4.x.
//!
//! ```text
//! lapidary.events (topic) ─ dataset.ready ─> train.<kind>
//! lapidary.dead (topic) ─ # ─> dead-letters
//! ```
//!
//! A process binds the queues of the kinds that it trains and leaves all other bindings as they are: another process
//! may train those. Only a command ([`unbind_kind`]) ever unbinds.
//!
//! Retries are in Postgres, where the time of the next try holds for whoever would claim the run. The queues
//! `train.<kind>.retry.<ms>` of older versions are not declared any more; where they exist they drain into
//! `train.<kind>` by themselves.

use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use service::error::chain;
use tracing::debug;

use crate::{
    connection::{BrokerSettings, Link},
    error::{BrokerError, name},
    link_state::Reporter,
};

/// The topic exchange that all events go through.
pub const EVENTS_EXCHANGE: &str = "lapidary.events";
/// The exchange for messages that operators have to look at.
pub const DEAD_EXCHANGE: &str = "lapidary.dead";
/// The one queue bound to [`DEAD_EXCHANGE`].
pub const DEAD_QUEUE: &str = "dead-letters";
/// The routing key that wakes the training queues.
pub const DATASET_READY: &str = "dataset.ready";

/// Queues are bounded: past this, the broker refuses and the outbox keeps the event.
const MAX_LENGTH: i64 = 100_000;
/// Attempts are counted in Postgres. The broker's own count includes closed connections and differs between
/// versions, and `-1` loses messages on 3.10: so a number that is never reached.
const DELIVERY_LIMIT: i64 = 1_000_000;

/// What a process does about the binding of a kind's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It binds the queue to [`DATASET_READY`], because it trains the kind.
    Bound,
    /// It leaves the binding as it is.
    AsItIs,
}

/// The queue of one model kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindQueue {
    /// The kind's name, such as `linear`.
    pub kind: String,
    /// Whether this process sees to it that new dataset versions get there.
    pub binding: Binding,
}

/// Everything that must exist at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Every model kind this build knows.
    pub kinds: Vec<KindQueue>,
}

impl Topology {
    /// The queues of all known kinds, with their bindings left as they are.
    pub fn new(known: &[&str]) -> Self {
        let kinds = known
            .iter()
            .map(|kind| KindQueue {
                kind: (*kind).to_owned(),
                binding: Binding::AsItIs,
            })
            .collect();
        Self { kinds }
    }

    /// Binds the queues of these kinds as well.
    pub fn bind(&mut self, trained: &[String]) {
        for queue in &mut self.kinds {
            if trained.contains(&queue.kind) {
                queue.binding = Binding::Bound;
            }
        }
    }
}

/// The name of a kind's queue.
pub fn train_queue(kind: &str) -> String {
    format!("train.{kind}")
}

/// A kind's queue that could not be declared or bound, and why.
#[derive(Debug)]
pub(crate) struct QueueFault {
    pub(crate) queue: String,
    pub(crate) reason: String,
}

/// Declares all of it, on channels of its own, because the broker closes a channel on which it refuses something. A
/// kind's queue that is refused does not keep the others from being declared.
///
/// # Errors
/// When the broker refuses the exchanges or the dead letters, or the connection ends.
pub(crate) async fn declare(
    connection: &Connection,
    topology: &Topology,
) -> Result<Vec<QueueFault>, BrokerError> {
    let mut channel = open_channel(connection).await?;
    declare_exchange(&channel, EVENTS_EXCHANGE).await?;
    declare_exchange(&channel, DEAD_EXCHANGE).await?;
    declare_queue(&channel, DEAD_QUEUE, bounded_quorum()?).await?;
    bind(&channel, DEAD_QUEUE, DEAD_EXCHANGE, "#").await?;
    let mut faults = Vec::new();
    for queue in &topology.kinds {
        if let Err(error) = declare_kind(&channel, queue).await {
            let (queue, reason) = (train_queue(&queue.kind), chain(&error));
            debug!(queue, reason, "a queue cannot be declared; the others are used");
            faults.push(QueueFault { queue, reason });
            channel = open_channel(connection).await?;
        }
    }
    // An error means that it is closed already.
    let _ = channel.close(200, "declared".into()).await;
    Ok(faults)
}

async fn open_channel(connection: &Connection) -> Result<Channel, BrokerError> {
    connection.create_channel().await.map_err(BrokerError::Connect)
}

async fn declare_kind(channel: &Channel, queue: &KindQueue) -> Result<(), BrokerError> {
    let train = train_queue(&queue.kind);
    declare_queue(channel, &train, train_arguments()?).await?;
    match queue.binding {
        Binding::Bound => bind(channel, &train, EVENTS_EXCHANGE, DATASET_READY).await,
        Binding::AsItIs => Ok(()),
    }
}

/// Unbinds the queue of a kind that nobody trains any more: new dataset versions leave it alone, and what is in it
/// stays. A trainer that trains the kind binds it again.
///
/// # Errors
/// When there is no connection, or the broker refuses.
pub async fn unbind_kind(settings: &BrokerSettings, kind: &str) -> Result<(), BrokerError> {
    let link = Link::open(settings, &Reporter::new(&format!("{} unbind", settings.service))).await?;
    let unbound = unbind(link.channel(), &train_queue(kind)).await;
    link.close().await;
    unbound
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

/// A queue's arguments can never change: a later version that wants others needs other queues. The broker's own dead
/// letters are not needed (the delivery limit is never reached), and stay for the sake of queues that exist.
fn train_arguments() -> Result<FieldTable, BrokerError> {
    let mut arguments = bounded_quorum()?;
    arguments.insert(name("x-dead-letter-exchange")?, text(DEAD_EXCHANGE));
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
    fn kinds_that_are_not_named_are_left_as_they_are() {
        let mut topology = Topology::new(&["linear", "xgboost"]);
        topology.bind(&["linear".to_owned()]);
        let bindings: Vec<_> = topology.kinds.iter().map(|queue| queue.binding).collect();
        assert_eq!(bindings, [Binding::Bound, Binding::AsItIs]);
    }
}
