//! What can go wrong between this process and the broker. No message contains the URL, which holds a password.

use std::time::Duration;

use lapin::types::ShortString;

/// Why something could not be done with the broker. All of them pass: the caller may try again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The setting is no `amqp://` or `amqps://` URL. The parser's own message would repeat the password.
    #[error("the broker's URL is not of the form amqp[s]://USER:PASSWORD@HOST[:PORT][/VHOST]")]
    Url,
    /// A queue's name or a routing key is longer than AMQP's 255 bytes.
    #[error("{0:?} is longer than the 255 bytes that AMQP allows for a name")]
    Name(String),
    /// No connection could be made: nobody listens, wrong credentials, no such vhost.
    #[error("cannot connect to the broker")]
    Connect(#[source] lapin::Error),
    /// The exchanges and queues could not be declared; one may exist with other arguments.
    #[error("cannot declare the exchanges and queues")]
    Declare(#[source] lapin::Error),
    /// The connection or its channel ended while it was used.
    #[error("lost the connection to the broker")]
    Lost(#[source] lapin::Error),
    /// The connection is gone, and this is the reason it gave when it ended.
    #[error("lost the connection to the broker: {0}")]
    Down(String),
    /// The broker is short of memory or disk and takes nothing from publishers (`connection.blocked`).
    #[error("the broker blocks publishers: {0}")]
    Blocked(String),
    /// The broker did not answer in time.
    #[error("the broker did not answer within {after:?} ({doing})")]
    Timeout {
        /// What was asked of it.
        doing: &'static str,
        /// How long this process waited.
        after: Duration,
    },
    /// This queue could not be declared or bound, though others could.
    #[error("cannot use the queue {queue}: {reason}")]
    Queue {
        /// The queue.
        queue: String,
        /// What the broker said.
        reason: String,
    },
    /// The broker does not let this process consume.
    #[error("cannot subscribe to the queue")]
    Subscribe(#[source] lapin::Error),
    /// The broker ended the subscription: the queue was deleted, or an acknowledgement took too long (4.3+).
    #[error("the broker cancelled the subscription")]
    Cancelled,
    /// A dead letter was refused or reached no queue.
    #[error("the broker did not take a message for {queue:?}: {why}")]
    NotTaken {
        /// The queue or exchange it was meant for.
        queue: String,
        /// What the broker said.
        why: &'static str,
    },
}

/// AMQP's short string, or an error where lapin's own conversion would panic.
pub(crate) fn name(text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text).map_err(|_| BrokerError::Name(text.to_owned()))
}
