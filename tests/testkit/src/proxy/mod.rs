//! A proxy before RabbitMQ or Postgres, to take the way there from one test without touching anybody else's.

mod amqp;
mod pass;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result};
use reqwest::Url;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

/// What the proxy does to its clients.
#[derive(Clone, Default)]
struct Switches {
    /// New connections are closed at once.
    is_cut: bool,
    /// How often the way was cut: connections made before a cut do not outlive it.
    cuts: u64,
    is_held: bool,
    /// How often connections fell silent: those made before the last time pass nothing any more.
    silences: u64,
    blocked: Option<String>,
    /// After a client has sent this, the answer to its next COMMIT is lost.
    lost_commit: Option<String>,
}

impl Switches {
    /// Whether a connection made after so many silences still passes what the server says.
    fn is_heard(&self, silences: u64) -> bool {
        self.silences == silences
    }

    /// Whether it passes what the client says, too.
    fn is_passing(&self, silences: u64) -> bool {
        !self.is_held && self.is_heard(silences)
    }
}

/// What proxy, connections and test share.
#[derive(Clone)]
struct Shared {
    switches: watch::Sender<Switches>,
    open: watch::Sender<usize>,
    held: Arc<Notify>,
    connections: Arc<AtomicUsize>,
}

/// A way to a server that a test can cut and restore; on a port of its own, for as long as the test's runtime runs.
pub struct Proxy {
    url: String,
    shared: Shared,
}

impl Proxy {
    /// Opens a way to the server that `url` names, `amqp://…` or `postgres://…`, with its port.
    ///
    /// # Errors
    ///
    /// When the URL has no host or port, or no port is free.
    pub async fn start(url: &str) -> Result<Self> {
        let mut url = Url::parse(url)?;
        let (host, port) = (url.host_str().context("no host")?, url.port().context("no port")?);
        let target = format!("{host}:{port}");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        url.set_ip_host([127, 0, 0, 1].into()).ok().context("no host")?;
        url.set_port(Some(port)).ok().context("no port")?;
        let shared = Shared {
            switches: watch::Sender::default(),
            open: watch::Sender::default(),
            held: Arc::default(),
            connections: Arc::default(),
        };
        let protocol = pass::Protocol::of(&url);
        tokio::spawn(accept(listener, target, protocol, shared.clone()));
        Ok(Self {
            url: url.to_string(),
            shared,
        })
    }

    /// The server's URL by way of this proxy.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// How many connections were made through it; those that a cut refused do not count.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Closes every connection, and from now on each new one at once, as if the server was gone. Comes back when
    /// nothing can pass any more. (The port stays open, lest somebody else takes it.)
    pub async fn cut(&self) {
        self.shared.switches.send_modify(|it| {
            it.is_cut = true;
            it.cuts += 1;
        });
        // It cannot be closed: this proxy has a sender.
        let _ = self.shared.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Passes nothing from clients to the server any more, and keeps their connections: a server that hangs.
    pub fn hold(&self) {
        self.shared.switches.send_modify(|it| it.is_held = true);
    }

    /// From now on the connections that there are pass nothing in either direction, for ever, and stay open: a server
    /// process that froze, or a way that forgot them. New connections are as good as ever.
    pub fn silence(&self) {
        self.shared.switches.send_modify(|it| it.silences += 1);
    }

    /// Comes when a client has sent something that is held.
    pub async fn holds_something(&self) {
        self.shared.held.notified().await;
    }

    /// Tells the clients of a RabbitMQ that it takes no messages, as one short of disk does: an alarm on the real
    /// one would stop everybody else's tests. The clients of other servers are told nothing.
    pub fn block(&self, reason: &str) {
        let reason = Some(reason.to_owned());
        self.shared.switches.send_modify(|it| it.blocked = reason);
    }

    /// Loses the answer to one COMMIT of a Postgres: the first one that a client sends after a statement with this text
    /// in it. The server commits; the client's connection ends without it hearing so.
    pub fn lose_commit_after(&self, statement: &str) {
        let statement = Some(statement.to_owned());
        self.shared.switches.send_modify(|it| it.lost_commit = statement);
    }

    /// Comes when that answer was lost.
    pub async fn lost_commit(&self) {
        let mut switches = self.shared.switches.subscribe();
        // It cannot be closed: this proxy has a sender.
        let _ = switches.wait_for(|it| it.lost_commit.is_none()).await;
    }

    /// Undoes [`Self::cut`], [`Self::hold`] and [`Self::block`]: lets new connections through, and what is held. What
    /// fell silent stays so.
    pub fn restore(&self) {
        self.shared.switches.send_modify(|it| {
            *it = Switches {
                cuts: it.cuts,
                silences: it.silences,
                ..Switches::default()
            };
        });
    }
}

async fn accept(listener: TcpListener, target: String, protocol: pass::Protocol, shared: Shared) {
    while let Ok((client, _)) = listener.accept().await {
        let switches = shared.switches.borrow().clone();
        if switches.is_cut {
            continue;
        }
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let open = Open::count(&shared.open);
        let (target, shared) = (target.clone(), shared.clone());
        tokio::spawn(async move {
            let mut cut = shared.switches.subscribe();
            tokio::select! {
                // How a connection ends is for its two ends to judge.
                _ = connect(client, &target, protocol, switches.silences, &shared) => {}
                _ = cut.wait_for(|it| it.cuts > switches.cuts) => {}
            }
            drop(open);
        });
    }
}

async fn connect(
    client: TcpStream,
    target: &str,
    protocol: pass::Protocol,
    silences: u64,
    shared: &Shared,
) -> Result<()> {
    let server = TcpStream::connect(target).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let loses_answer = watch::Sender::new(false);
    let up = pass::up(from_client, to_server, silences, shared, &loses_answer);
    let down = pass::down(from_server, to_client, protocol, silences, shared, &loses_answer);
    tokio::try_join!(up, down)?;
    Ok(())
}

/// One of the open connections.
struct Open(watch::Sender<usize>);

impl Open {
    fn count(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}
