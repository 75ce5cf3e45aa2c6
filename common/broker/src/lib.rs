//! Work and wake-ups over RabbitMQ: the only crate that knows lapin.
//!
//! What it promises:
//! - **Publishing** ([`Publisher`]): a message counts as published only when the broker confirmed it; one that
//!   must be routed and reached no queue says so. Nothing hangs: a broker that blocks publishers or does not
//!   answer is an error, and the caller (the outbox relay) tries again.
//! - **Consuming** ([`Consumer`]): a delivery is acknowledged only after its handler answered and after what
//!   follows from the answer (a dead letter) was confirmed. The answer's type forces the handler to
//!   choose: [`Outcome`].
//! - **Waking up** ([`WakeUps`]): a queue of one process, made anew on every connection; the listener hears
//!   [`WakeUp::Connected`] once it is bound, and reconciles with Postgres only then.
//! - **Reconnecting** is done here, for ever, with backoff; lapin's own recovery stays off. Each of the three
//!   reports its connection's [`LinkState`] for readiness; a consumer or a wake-up queue is up once it is subscribed.
//!
//! What it does not promise: that a message arrives once, in order, or at all. Messages are wake-ups; the truth
//! is in Postgres. Every process declares the whole [`Topology`] on every connection.

mod backoff;
mod connection;
mod consumer;
mod error;
mod link_state;
mod message;
mod outcome;
mod publisher;
mod session;
mod topology;
mod wakeup;

pub use connection::BrokerSettings;
pub use consumer::Consumer;
pub use error::BrokerError;
pub use link_state::LinkState;
pub use message::{DeadLetter, Delivery, Message, Published};
pub use outcome::Outcome;
pub use publisher::Publisher;
pub use topology::{
    Binding, DATASET_READY, DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_EXCHANGE, KindQueue, Topology, train_queue,
    unbind_kind,
};
pub use wakeup::{WakeUp, WakeUps};
