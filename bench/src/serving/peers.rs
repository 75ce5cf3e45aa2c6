//! The servers that are measured, each a process.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, ensure};
use testkit::{Process, Signal, World};

pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    process: Process,
}

impl Server {
    pub(super) fn new(name: &'static str, process: Process, url: &str) -> Result<Self> {
        let address = url.trim_start_matches("http://").parse()?;
        Ok(Self {
            name,
            address,
            process,
        })
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.process.pid().context("the server has ended")
    }

    /// Asks it to end, and waits until it has.
    pub(super) async fn end(mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        ensure!(self.process.ended().await?, "{} ended in disorder", self.name);
        Ok(())
    }
}

/// A bare axum server, with these variables in its environment.
pub(super) async fn echo(environment: &[(&str, String)]) -> Result<Server> {
    let process = Process::start("examples/echo", environment)?;
    let url = process.address().await?;
    Server::new("echo", process, &url)
}

/// FastAPI with XGBoost and asyncpg, one worker: it shares two cores with Postgres and the load. It serves the same
/// `model`, as XGBoost saves it in JSON.
pub(super) async fn fastapi(world: &World, python: &Path, model: &[u8]) -> Result<Server> {
    let path = world.path("peer.json");
    fs::write(&path, model)?;
    let script = testkit::checkout()?.join("bench/peers/serving.py");
    let port = testkit::free_port()?;
    let command = format!(
        "exec {} {} {} {} {port} >&2",
        python.display(),
        script.display(),
        world.database.url(),
        path.display()
    );
    let process = Process::shell(&command)?;
    process.said("ready").await?;
    let url = format!("http://127.0.0.1:{port}");
    testkit::until("the peer to listen", async || {
        Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
    })
    .await?;
    Server::new("fastapi", process, &url)
}
