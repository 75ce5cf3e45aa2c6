//! A proxy before the broker that can block publishers as a broker short of disk does: an alarm on the real one
//! would stop everybody else's tests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result};
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, watch},
};

/// `connection.blocked` and `connection.unblocked` of AMQP 0-9-1: class 10, methods 60 and 61.
const BLOCKED: [u8; 4] = [0, 10, 0, 60];
const UNBLOCKED: [u8; 4] = [0, 10, 0, 61];
const FRAME_END: u8 = 0xCE;

/// What the proxy does to the client.
#[derive(Clone, Default)]
struct Switches {
    held: bool,
    blocked: Option<String>,
}

pub struct Proxy {
    url: String,
    switches: watch::Sender<Switches>,
    holding: Arc<Notify>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn start(broker: &str) -> Result<Self> {
        let mut url = Url::parse(broker)?;
        let target = format!("127.0.0.1:{}", url.port().context("no port")?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        url.set_port(Some(listener.local_addr()?.port()))
            .ok()
            .context("no port")?;
        let proxy = Self {
            url: url.to_string(),
            switches: watch::Sender::new(Switches::default()),
            holding: Arc::default(),
            connections: Arc::default(),
        };
        let (switches, holding, connections) = (
            proxy.switches.subscribe(),
            proxy.holding.clone(),
            proxy.connections.clone(),
        );
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(&target).await?;
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(up(from_client, to_server, switches.clone(), holding.clone()));
                tokio::spawn(down(from_server, to_client, switches.clone()));
            }
            anyhow::Ok(())
        });
        Ok(proxy)
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// How many connections were made through it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Passes nothing from clients to the broker any more.
    pub fn hold(&self) {
        self.switches.send_modify(|it| it.held = true);
    }

    /// Comes when a client has sent something that is held.
    pub async fn holds_something(&self) {
        self.holding.notified().await;
    }

    pub fn block(&self, reason: &str) {
        self.switches
            .send_modify(|it| it.blocked = Some(reason.to_owned()));
    }

    pub fn unblock(&self) {
        self.switches.send_modify(|it| *it = Switches::default());
    }
}

async fn up(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut switches: watch::Receiver<Switches>,
    holding: Arc<Notify>,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if switches.borrow().held {
            holding.notify_one();
        }
        switches.wait_for(|it| !it.held).await?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Passes on whole frames, and puts frames of its own between them.
async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut switches: watch::Receiver<Switches>,
) -> Result<()> {
    let mut pending = Vec::new();
    let mut blocked = switches.borrow_and_update().blocked.clone();
    loop {
        tokio::select! {
            read = from.read_buf(&mut pending) => if read? == 0 { return Ok(()) },
            changed = switches.changed() => changed?,
        }
        while let Some(length) = whole_frame(&pending) {
            to.write_all(&pending.drain(..length).collect::<Vec<_>>()).await?;
        }
        let now = switches.borrow_and_update().blocked.clone();
        if now != blocked {
            to.write_all(&notice(now.as_deref())).await?;
            blocked = now;
        }
    }
}

/// The length of the first frame, if all of it is there: type, channel, size, payload, end.
fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let size: [u8; 4] = bytes.get(3..7)?.try_into().ok()?;
    let length = 7 + u32::from_be_bytes(size) as usize + 1;
    (bytes.len() >= length).then_some(length)
}

fn notice(blocked: Option<&str>) -> Vec<u8> {
    let payload = match blocked {
        Some(reason) => [&BLOCKED[..], &[reason.len() as u8], reason.as_bytes()].concat(),
        None => UNBLOCKED.to_vec(),
    };
    [
        &[1, 0, 0][..],
        &(payload.len() as u32).to_be_bytes(),
        &payload,
        &[FRAME_END],
    ]
    .concat()
}
