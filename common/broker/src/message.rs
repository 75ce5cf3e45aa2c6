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

/// Why a message was put aside or comes again; text.
const REASON: &str = "x-lapidary-reason";
/// How often it had been tried; a number.
const ATTEMPT: &str = "x-lapidary-attempt";
/// The routing key it was first published with: one that comes back from a retry queue has its queue's name.
const ROUTING_KEY: &str = "x-lapidary-routing-key";
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

    /// A delivery for its retry queue: through the default exchange, so that it wakes its own kind only.
    pub(crate) fn retry(
        delivery: &Delivery,
        retry_queue: &str,
        reason: &str,
        attempt: u32,
    ) -> Result<Self, BrokerError> {
        let mut outgoing = Self::put_aside(delivery, "", retry_queue, reason)?;
        outgoing
            .headers
            .insert(name(ATTEMPT)?, AMQPValue::LongLongInt(attempt.into()));
        Ok(outgoing)
    }

    /// A delivery that an operator has to look at.
    pub(crate) fn dead_letter(delivery: &Delivery, reason: &str) -> Result<Self, BrokerError> {
        Self::put_aside(delivery, DEAD_EXCHANGE, &delivery.routing_key, reason)
    }

    fn put_aside(
        delivery: &Delivery,
        exchange: &str,
        routing_key: &str,
        reason: &str,
    ) -> Result<Self, BrokerError> {
        let mut headers = FieldTable::default();
        headers.insert(name(REASON)?, AMQPValue::LongString(shortened(reason).into()));
        headers.insert(
            name(ROUTING_KEY)?,
            AMQPValue::LongString(delivery.routing_key.as_str().into()),
        );
        Ok(Self {
            exchange: name(exchange)?,
            routing_key: name(routing_key)?,
            message_id: name(&Uuid::now_v7().to_string())?,
            mandatory: true,
            body: delivery.body.clone(),
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
