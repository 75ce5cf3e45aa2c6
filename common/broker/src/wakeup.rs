//! Wake-ups for one process, such as an API replica: a queue named by the broker, exclusive to the connection and
//! gone with it. What was said while it was away is lost; the listener reconciles instead.

use std::convert::Infallible;

use lapin::{
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    connection::{BrokerSettings, Link},
    error::{BrokerError, name},
    link_state::{LinkState, Reporter},
    message::Delivery,
    session::{self, Halt, Session},
    topology::{EVENTS_EXCHANGE, bind},
};

/// Unhandled wake-ups kept at the broker; past this the oldest is dropped. Reconciling makes up for it.
const MAX_LENGTH: i64 = 10_000;
/// How many of them this process holds at a time.
const PREFETCH: u16 = 64;

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WakeUp {
    /// The queue is made and bound, anew on every connection: reconcile now; later events will be heard.
    Connected,
    /// Something happened; a repetition or a gap is possible.
    Event {
        /// The event's type, such as `model.ready`.
        routing_key: String,
        /// The event as JSON.
        body: Vec<u8>,
    },
}

/// A subscription to events, on a connection of its own.
pub struct WakeUps {
    settings: BrokerSettings,
    routing_keys: Vec<String>,
    reporter: Reporter,
}

impl WakeUps {
    /// A subscription to these routing keys (`*` and `#` as in topic exchanges).
    pub fn new(settings: BrokerSettings, routing_keys: &[&str]) -> Self {
        let reporter = Reporter::new(&format!("{} wake-ups", settings.service));
        let routing_keys = routing_keys.iter().map(|key| (*key).to_owned()).collect();
        Self {
            settings,
            routing_keys,
            reporter,
        }
    }

    /// The state of its connection, for readiness.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.reporter.watch()
    }

    /// Tells `listener` of each wake-up, one after the other, reconnecting for ever, until `stop`.
    pub async fn run<L, F>(self, listener: L, stop: CancellationToken)
    where
        L: Fn(WakeUp) -> F + Send + Sync,
        F: Future<Output = ()> + Send,
    {
        let work = Listening {
            routing_keys: &self.routing_keys,
            listener: &listener,
            stop: &stop,
        };
        session::run(&work, &self.settings, &self.reporter, &stop).await;
    }
}

struct Listening<'a, L> {
    routing_keys: &'a [String],
    listener: &'a L,
    stop: &'a CancellationToken,
}

impl<L, F> Session for Listening<'_, L>
where
    L: Fn(WakeUp) -> F + Send + Sync,
    F: Future<Output = ()> + Send,
{
    async fn work(&self, link: &Link, backoff: &mut Backoff) -> Result<Infallible, Halt> {
        let queue = make_queue(link).await?;
        for key in self.routing_keys {
            bind(link.channel(), &queue, EVENTS_EXCHANGE, key).await?;
        }
        let mut subscription = session::subscribe(link, name(&queue)?, PREFETCH).await?;
        link.report_usable();
        backoff.reset();
        (self.listener)(WakeUp::Connected).await;
        loop {
            let received = session::next(&mut subscription, self.stop).await?;
            let Delivery {
                routing_key, body, ..
            } = Delivery::from(&received);
            (self.listener)(WakeUp::Event { routing_key, body }).await;
            session::acknowledge(&received).await?;
        }
    }
}

/// Makes this connection's own queue and gives the name that the broker chose.
async fn make_queue(link: &Link) -> Result<String, BrokerError> {
    let mut arguments = FieldTable::default();
    // Said aloud, because a vhost's default may be another one, which cannot be exclusive.
    arguments.insert(name("x-queue-type")?, AMQPValue::LongString("classic".into()));
    arguments.insert(name("x-max-length")?, AMQPValue::LongLongInt(MAX_LENGTH));
    let options = QueueDeclareOptions::exclusive().auto_delete();
    let queue = link.channel().queue_declare("".into(), options, arguments).await;
    Ok(queue.map_err(BrokerError::Declare)?.name().to_string())
}
