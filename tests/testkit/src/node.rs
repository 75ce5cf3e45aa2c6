//! A RabbitMQ node of one's own, for what would disturb everybody on the shared one: restarts and odd limits.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::{port::free_port, wait::until};

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A broker that a test started, and may kill; it ends with this value.
pub struct Node {
    folder: TempDir,
    name: String,
    amqp: u16,
    epmd: u16,
    erlang: u16,
    process: Option<Child>,
}

impl Node {
    /// Starts a node with `settings` in `rabbitmq.conf` beside what it needs anyway, and with this `advanced.config`,
    /// an Erlang term.
    ///
    /// # Errors
    ///
    /// When RabbitMQ is not installed, or does not come up within a minute.
    pub async fn start(settings: &str, advanced: &str) -> Result<Self> {
        ensure!(
            Path::new(SERVER).exists(),
            "{SERVER} is missing: run `make install`"
        );
        let mut node = Self {
            folder: tempfile::tempdir()?,
            name: format!("test-{}@localhost", Uuid::new_v4().simple()),
            amqp: free_port()?,
            epmd: free_port()?,
            erlang: free_port()?,
            process: None,
        };
        let config = format!("listeners.tcp.1 = 127.0.0.1:{}\n{settings}\n", node.amqp);
        fs::write(node.path("rabbitmq.conf"), config)?;
        fs::write(node.path("advanced.config"), advanced)?;
        fs::write(node.path("enabled_plugins"), "[].")?;
        fs::write(node.path("rabbitmq-env.conf"), "")?;
        node.launch().await?;
        Ok(node)
    }

    /// `amqp://…` of its default vhost.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.amqp)
    }

    /// Kills the node, as a power cut would, and starts it again on the same data.
    ///
    /// # Errors
    ///
    /// When it does not come up again.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.launch().await
    }

    /// What it has logged.
    ///
    /// # Errors
    ///
    /// When it has logged nothing yet.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.path("log"))?)
    }

    async fn launch(&mut self) -> Result<()> {
        self.process = Some(self.command().spawn()?);
        let port = self.amqp;
        until("the test's own RabbitMQ", async || {
            Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())
        })
        .await
        .map(drop)
        .with_context(|| self.log().unwrap_or_default())
    }

    /// The script leads a process group of its own, with Erlang's port mapper in it.
    fn command(&self) -> Command {
        let script = format!(
            "epmd -address 127.0.0.1 -port {epmd} & exec {SERVER} >>{log} 2>&1",
            epmd = self.epmd,
            log = self.path("log").display()
        );
        let mut command = Command::new("setsid");
        command
            .args(["sh", "-c", &script])
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", &self.name)
            .env("ERL_CRASH_DUMP", self.path("erl_crash.dump"))
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", self.erlang.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", self.path("rabbitmq-env.conf"))
            .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq.conf"))
            .env("RABBITMQ_CONFIG_FILES", self.path("conf.d"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.path("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", self.path("data"))
            .env("RABBITMQ_LOG_BASE", self.folder.path())
            .env("RABBITMQ_LOGS", "-")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn kill(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let group = Pid::from_raw(i32::try_from(process.id())?);
        killpg(group, Signal::SIGKILL)?;
        process.wait()?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("the test's own RabbitMQ could not be ended: {error}");
        }
    }
}
