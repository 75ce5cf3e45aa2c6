//! Messages as the rest of Lapidary sees them, and as they go over the wire.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use crate::{
    error::{BrokerError, name},
    topology::{DEAD_EXCHANGE, EVENTS_EXCHANGE},
};

/// Why a message is a dead letter; text.
const REASON: &str = "x-lapidary-reason";
/// The routing key it was first published with: one that comes back from a retry queue of an older version has its
/// queue's name.
const ROUTING_KEY: &str = "x-lapidary-routing-key";
/// The queue that a dead letter came from, or whose work it is about.
const QUEUE: &str = "x-lapidary-queue";
/// A header must fit a frame (128 KiB), and an error's text may be long.
const LONGEST_REASON: usize = 4096;
const PERSISTENT: u8 = 2;
const CONTENT_TYPE: &str = "application/cloudevents+json";

/// An event to publish on `lapidary.events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The event's id.
    pub id: Uuid,
    /// The event's type, such as `dataset.ready`.
    pub routing_key: String,
    /// The event as JSON (CloudEvents 1.0, structured).
    pub body: Vec<u8>,
    /// Whether it must reach a queue. One that must and does not is [`Published::Returned`]; a hint that reaches
    /// nobody is [`Published::Confirmed`].
    pub must_route: bool,
}

/// A message for the operators: work that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue that asks for such work.
    pub queue: String,
    /// The type of the event in the body.
    pub routing_key: String,
    /// Why it was given up, with the whole chain of causes.
    pub reason: String,
    /// What it is about: names (of headers, after `x-lapidary-`) and values.
    pub about: Vec<(&'static str, String)>,
    /// An event as JSON.
    pub body: Vec<u8>,
}

/// What the broker said about one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The broker has it, in every queue it was meant for.
    Confirmed,
    /// It had to reach a queue and no queue was bound to its routing key; the broker has dropped it.
    Returned,
    /// A queue refused it (full, or without a leader); publish it again later.
    Refused,
}

/// A message for a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The routing key it was first published with, also after retries.
    pub routing_key: String,
    /// The event as JSON.
    pub body: Vec<u8>,
    /// Whether the broker may have delivered it before. It says nothing about the work it asks for.
    pub redelivered: bool,
}

impl From<&lapin::message::Delivery> for Delivery {
    fn from(delivery: &lapin::message::Delivery) -> Self {
        let first_key = delivery.properties.headers().as_ref().and_then(|headers| {
            match headers.inner().get(ROUTING_KEY) {
                Some(AMQPValue::LongString(key)) => Some(key.to_string()),
                _ => None,
            }
        });
        Self {
            routing_key: first_key.unwrap_or_else(|| delivery.routing_key.to_string()),
            body: delivery.data.clone(),
            redelivered: delivery.redelivered,
        }
    }
}

/// A message on its way out: any exchange, any headers.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) message_id: ShortString,
    pub(crate) mandatory: bool,
    pub(crate) body: Vec<u8>,
    headers: FieldTable,
}

impl Outgoing {
    /// An event for whoever is bound to it.
    pub(crate) fn event(message: &Message) -> Result<Self, BrokerError> {
        Ok(Self {
            exchange: name(EVENTS_EXCHANGE)?,
            routing_key: name(&message.routing_key)?,
            message_id: name(&message.id.to_string())?,
            mandatory: message.must_route,
            body: message.body.clone(),
            headers: FieldTable::default(),
        })
    }

    /// Something that an operator has to look at.
    pub(crate) fn dead_letter(letter: DeadLetter) -> Result<Self, BrokerError> {
        let mut headers = FieldTable::default();
        let mut add = |header: &str, value: &str| {
            headers.insert(name(header)?, AMQPValue::LongString(value.into()));
            Ok::<_, BrokerError>(())
        };
        add(REASON, shortened(&letter.reason))?;
        add(ROUTING_KEY, &letter.routing_key)?;
        add(QUEUE, &letter.queue)?;
        for (subject, value) in &letter.about {
            add(&format!("x-lapidary-{subject}"), value)?;
        }
        Ok(Self {
            exchange: name(DEAD_EXCHANGE)?,
            routing_key: name(&letter.routing_key)?,
            message_id: name(&Uuid::now_v7().to_string())?,
            mandatory: true,
            body: letter.body,
            headers,
        })
    }

    pub(crate) fn properties(&self) -> BasicProperties {
        BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(self.message_id.clone())
            .with_headers(self.headers.clone())
    }
}

/// The beginning of a reason, cut between characters.
fn shortened(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(LONGEST_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "€".repeat(2000);
        let cut = shortened(&reason);
        assert!(cut.len() <= LONGEST_REASON && cut.len() > LONGEST_REASON - 3);
        assert_eq!(shortened("no rows"), "no rows");
    }

    #[test]
    fn a_routing_key_longer_than_amqp_allows_is_an_error_and_no_panic() {
        let message = Message {
            id: Uuid::nil(),
            routing_key: "k".repeat(256),
            body: vec![],
            must_route: true,
        };
        assert!(matches!(Outgoing::event(&message), Err(BrokerError::Name(_))));
    }
}
