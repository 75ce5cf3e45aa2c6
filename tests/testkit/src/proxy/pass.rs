//! Passing on what one end says to the other.

use anyhow::Result;
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::{Notify, watch},
};

use super::{Switches, amqp};

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
    mut switches: watch::Receiver<Switches>,
    held: &Notify,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if !switches.borrow().is_passing(silences) {
            held.notify_one();
        }
        switches.wait_for(|it| it.is_passing(silences)).await?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// From the server to the client, with notices of the proxy's own between frames.
pub(super) async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    protocol: Protocol,
    silences: u64,
    mut switches: watch::Receiver<Switches>,
) -> Result<()> {
    let mut pending = Vec::new();
    let mut blocked = switches.borrow_and_update().blocked.clone();
    loop {
        tokio::select! {
            read = from.read_buf(&mut pending) => if read? == 0 { return Ok(()) },
            changed = switches.changed() => changed?,
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
