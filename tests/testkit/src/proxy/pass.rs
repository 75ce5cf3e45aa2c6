//! Passing on what one end says to the other.

use anyhow::{Result, bail};
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::watch,
};

use super::{Shared, amqp};

/// How much of what a client said is looked through for a statement.
const REMEMBERED: usize = 64 * 1024;

/// Where one message of the server ends and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// RabbitMQ's; notices can be put between its frames.
    Amqp,
    /// Another: passed on as it comes.
    Other,
}

impl Protocol {
    pub(super) fn of(url: &Url) -> Self {
        match url.scheme() {
            "amqp" => Self::Amqp,
            _ => Self::Other,
        }
    }

    /// How many of these bytes can be passed on.
    fn whole(self, bytes: &[u8]) -> usize {
        match self {
            Self::Amqp => amqp::whole_frames(bytes),
            Self::Other => bytes.len(),
        }
    }
}

/// From the client to the server, unless held.
pub(super) async fn up(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    silences: u64,
    shared: &Shared,
    loses_answer: &watch::Sender<bool>,
) -> Result<()> {
    let (mut buffer, mut said) = (vec![0; 64 * 1024], Vec::new());
    let mut switches = shared.switches.subscribe();
    loop {
        let read = from.read(&mut buffer).await?;
        if !switches.borrow().is_passing(silences) {
            shared.held.notify_one();
        }
        switches.wait_for(|it| it.is_passing(silences)).await?;
        if read == 0 {
            return Ok(());
        }
        match &switches.borrow().lost_commit {
            None => said.clear(),
            Some(statement) => {
                said.extend_from_slice(&buffer[..read]);
                said.drain(..said.len().saturating_sub(REMEMBERED));
                if commits_after(&said, statement.as_bytes()) {
                    loses_answer.send_replace(true);
                }
            }
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Whether a client sent COMMIT after this statement.
fn commits_after(said: &[u8], statement: &[u8]) -> bool {
    let find = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).position(|it| it == wanted);
    find(said, statement).is_some_and(|at| find(&said[at..], b"COMMIT").is_some())
}

/// From the server to the client, with notices of the proxy's own between frames.
pub(super) async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    protocol: Protocol,
    silences: u64,
    shared: &Shared,
    loses_answer: &watch::Sender<bool>,
) -> Result<()> {
    let mut switches = shared.switches.subscribe();
    let mut pending = Vec::new();
    let mut blocked = switches.borrow_and_update().blocked.clone();
    loop {
        tokio::select! {
            read = from.read_buf(&mut pending) => if read? == 0 { return Ok(()) },
            changed = switches.changed() => changed?,
        }
        if *loses_answer.borrow() && !pending.is_empty() {
            shared.switches.send_modify(|it| it.lost_commit = None);
            bail!("the answer to a COMMIT is lost, as the test wants it");
        }
        switches.wait_for(|it| it.is_heard(silences)).await?;
        let whole = protocol.whole(&pending);
        to.write_all(&pending[..whole]).await?;
        pending.drain(..whole);
        let now = switches.borrow_and_update().blocked.clone();
        if now != blocked && protocol == Protocol::Amqp {
            to.write_all(&amqp::notice(now.as_deref())).await?;
        }
        blocked = now;
    }
}
