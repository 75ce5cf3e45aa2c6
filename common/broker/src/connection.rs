//! One connection with one channel: opened with the whole topology declared, watched while it lives.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use lapin::{
    Channel, ChannelStatus, Connection, ConnectionProperties, ConnectionStatus, Event, uri::AMQPUri,
};
use secrecy::{ExposeSecret, SecretString};
use service::error::chain;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;
use url::Url;

use crate::{
    error::BrokerError,
    link_state::{LinkState, Reporter},
    topology::{self, QueueFault, Topology},
};

/// Where the broker is, who is calling, and what must exist there.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// `amqp://` or `amqps://`, with the vhost as its path.
    pub url: SecretString,
    /// The service's name; connections are called `<service> publish` and so on in the management page.
    pub service: String,
    /// Declared on every connection.
    pub topology: Topology,
}

/// Seconds without a sign of life before either side gives the connection up (lapin waits twice as long).
const HEARTBEAT_SECONDS: u16 = 10;
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// The first declaration of many quorum queues takes a while.
const DECLARE_TIMEOUT: Duration = Duration::from_secs(30);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// lapin gives each connection a thread that cannot be stopped while a broker accepts and then says nothing. An
/// attempt that ran into the timeout keeps its permit until it ends, so such threads stay few.
static ATTEMPTS: Semaphore = Semaphore::const_new(8);

/// An open connection and its channel.
pub(crate) struct Link {
    connection: Connection,
    channel: Channel,
    state: watch::Receiver<LinkState>,
    /// Queues that could not be declared.
    faults: Vec<QueueFault>,
    reporter: Reporter,
    is_usable: Arc<AtomicBool>,
    _monitor: AbortOnDropHandle<()>,
}

impl Link {
    /// Connects and declares the topology. It is not reported as [`LinkState::Up`] before [`Link::report_usable`].
    pub(crate) async fn open(settings: &BrokerSettings, reporter: &Reporter) -> Result<Self, BrokerError> {
        let connection = connect(settings, reporter.name()).await?;
        let channel = connection.create_channel().await.map_err(BrokerError::Connect)?;
        let faults = declare(&connection, &settings.topology).await?;
        let is_usable = Arc::<AtomicBool>::default();
        let (state, _monitor) = monitor(&connection, &channel, reporter, &is_usable);
        Ok(Self {
            connection,
            channel,
            state,
            faults,
            reporter: reporter.clone(),
            is_usable,
            _monitor,
        })
    }

    /// Reports the connection's state from now on: what it was opened for works.
    pub(crate) fn report_usable(&self) {
        self.is_usable.store(true, Ordering::SeqCst);
        let state = self.state.borrow().clone();
        self.reporter.report(state);
    }

    /// # Errors
    /// When this queue could not be declared.
    pub(crate) fn check_queue(&self, queue: &str) -> Result<(), BrokerError> {
        match self.faults.iter().find(|fault| fault.queue == queue) {
            None => Ok(()),
            Some(fault) => Err(BrokerError::Queue {
                queue: fault.queue.clone(),
                reason: fault.reason.clone(),
            }),
        }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether it can be used at all, blocked or not.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// The broker's reason, while it blocks this connection.
    pub(crate) fn blocked_reason(&self) -> Option<String> {
        match &*self.state.borrow() {
            LinkState::Blocked(reason) => Some(reason.clone()),
            _ if self.connection.status().blocked() => Some("out of resources".to_owned()),
            _ => None,
        }
    }

    /// Comes when the broker blocks this connection, with its reason.
    pub(crate) async fn blocked(&self) -> BrokerError {
        self.until(|state| match state {
            LinkState::Blocked(reason) => Some(BrokerError::Blocked(reason.clone())),
            _ => None,
        })
        .await
    }

    /// Comes when this connection has ended, with the reason.
    pub(crate) async fn down(&self) -> BrokerError {
        self.until(|state| match state {
            LinkState::Down(reason) => Some(BrokerError::Down(reason.clone())),
            _ => None,
        })
        .await
    }

    async fn until(&self, wanted: impl Fn(&LinkState) -> Option<BrokerError>) -> BrokerError {
        let mut state = self.state.clone();
        loop {
            if let Some(error) = wanted(&state.borrow_and_update()) {
                return error;
            }
            if state.changed().await.is_err() {
                // The events ended without an error: it was closed in good order.
                return BrokerError::Down("the connection was closed".to_owned());
            }
        }
    }

    /// Declares the topology again, after somebody deleted a part of it.
    pub(crate) async fn redeclare(&self, topology: &Topology) -> Result<(), BrokerError> {
        declare(&self.connection, topology).await.map(drop)
    }

    /// Says goodbye after everything already sent; what the broker still had in flight it takes back.
    pub(crate) async fn close(self) {
        let closed = timeout(CLOSE_TIMEOUT, self.connection.close(200, "closed".into())).await;
        debug!(?closed, "closed the connection to the broker");
    }
}

async fn declare(connection: &Connection, topology: &Topology) -> Result<Vec<QueueFault>, BrokerError> {
    let declared = timeout(DECLARE_TIMEOUT, topology::declare(connection, topology)).await;
    declared.unwrap_or(Err(BrokerError::Timeout {
        doing: "declare the queues",
        after: DECLARE_TIMEOUT,
    }))
}

async fn connect(settings: &BrokerSettings, connection_name: &str) -> Result<Connection, BrokerError> {
    let uri = parse(&settings.url)?;
    let properties = ConnectionProperties::default().with_connection_name(connection_name.into());
    let too_slow = || BrokerError::Timeout {
        doing: "connect",
        after: OPEN_TIMEOUT,
    };
    let attempt = async {
        let permit = ATTEMPTS.acquire().await;
        let connecting = async move {
            // Held until lapin's thread has an answer, though nobody may wait for it any more.
            let _permit = permit;
            Connection::connect_uri(uri, properties).await
        };
        tokio::spawn(connecting).await
    };
    match timeout(OPEN_TIMEOUT, attempt).await {
        Ok(Ok(connected)) => connected.map_err(BrokerError::Connect),
        // The task ends early only when the runtime does.
        Ok(Err(_)) | Err(_) => Err(too_slow()),
    }
}

/// Reads the URL, with a heartbeat if it names none.
fn parse(url: &SecretString) -> Result<AMQPUri, BrokerError> {
    let mut uri: AMQPUri = url.expose_secret().parse().map_err(|_| BrokerError::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    // lapin's parser takes `[::1]` for no host at all and would quietly go to localhost.
    let host = Url::parse(url.expose_secret())
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    let address = host.and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    if let Some(address) = address {
        uri.authority.host = address.to_string();
    }
    Ok(uri)
}

/// Watches the connection's events. There may be one listener only: lapin's listeners compete for them.
fn monitor(
    connection: &Connection,
    channel: &Channel,
    reporter: &Reporter,
    is_usable: &Arc<AtomicBool>,
) -> (watch::Receiver<LinkState>, AbortOnDropHandle<()>) {
    let events = connection.events_listener();
    let first = match connection.status() {
        status if !status.connected() => LinkState::Down("closed while it was being opened".to_owned()),
        status if status.blocked() => LinkState::Blocked("out of resources".to_owned()),
        _ => LinkState::Up,
    };
    let (sender, state) = watch::channel(first);
    let monitor = Monitor {
        connection: connection.status().clone(),
        channel: channel.status().clone(),
        link: sender,
        reporter: reporter.clone(),
        is_usable: Arc::clone(is_usable),
    };
    let task = tokio::spawn(monitor.follow(events));
    (state, AbortOnDropHandle::new(task))
}

/// Reports a connection's events, and those of its main channel.
struct Monitor {
    connection: ConnectionStatus,
    channel: ChannelStatus,
    link: watch::Sender<LinkState>,
    reporter: Reporter,
    is_usable: Arc<AtomicBool>,
}

impl Monitor {
    async fn follow(self, events: impl Stream<Item = Event>) {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let state = match event {
                Event::ConnectionBlocked(reason) => LinkState::Blocked(reason),
                Event::Connected | Event::ConnectionUnblocked => LinkState::Up,
                // Another channel, on which the broker refused to declare a queue.
                Event::Error(_) if self.connection.connected() && self.channel.connected() => continue,
                Event::Error(error) => LinkState::Down(chain(&error)),
                _ => continue,
            };
            self.link.send_replace(state.clone());
            if state != LinkState::Up || self.is_usable.load(Ordering::SeqCst) {
                self.reporter.report(state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<AMQPUri, BrokerError> {
        parse(&SecretString::from(url))
    }

    #[test]
    fn a_url_without_a_heartbeat_gets_ours_and_one_with_keeps_its_own() {
        let heartbeat = |url| parsed(url).unwrap().query.heartbeat;
        assert_eq!(heartbeat("amqp://u:p@127.0.0.1:5672/v"), Some(HEARTBEAT_SECONDS));
        assert_eq!(heartbeat("amqp://u:p@127.0.0.1:5672/v?heartbeat=60"), Some(60));
    }

    #[test]
    fn an_ipv6_address_is_the_host_and_not_localhost() {
        assert_eq!(parsed("amqp://u:p@[::1]:5672/v").unwrap().authority.host, "::1");
        assert_eq!(
            parsed("amqps://u:p@queue.example/v").unwrap().authority.host,
            "queue.example"
        );
    }

    #[test]
    fn a_wrong_url_is_an_error_that_does_not_repeat_it() {
        for url in ["http://u:sesame@host", "sesame", "amqp:sesame"] {
            let error = parsed(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sesame"), "{error:?}");
        }
    }
}
