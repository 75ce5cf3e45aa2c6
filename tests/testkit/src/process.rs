//! A service as a real process, its log read line by line.

use std::{
    env,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
};

use crate::wait::until;

type Log = Arc<Mutex<Vec<Value>>>;

/// A running service; killed when dropped.
pub struct Process {
    child: Child,
    log: Log,
}

impl Process {
    /// Starts the binary `name` with these settings.
    ///
    /// # Errors
    ///
    /// When it is not built, or cannot be started.
    pub fn start(name: &str, settings: &[(&str, String)]) -> Result<Self> {
        let binary = binary(name)?;
        ensure!(binary.exists(), "{binary:?} is missing: run `make build`");
        let mut command = Command::new(binary);
        command
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)));
        Self::spawn(command)
    }

    /// Starts a peer by a line of shell, in this program's environment; what it says on standard error is its log.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn shell(line: &str) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.take().context("no standard error")?;
        let log = Log::default();
        tokio::spawn(read(stderr, Arc::clone(&log)));
        Ok(Self { child, log })
    }

    /// Waits for a line of the log.
    ///
    /// # Errors
    ///
    /// When it does not come within a minute; the whole log is shown then.
    pub async fn logged(&self, message: &str) -> Result<Value> {
        let find = async || Ok(self.lines().into_iter().find(|line| line["message"] == message));
        until(message, find)
            .await
            .with_context(|| format!("its log: {:#?}", self.lines()))
    }

    /// Waits for a line of plain text.
    ///
    /// # Errors
    ///
    /// When it does not come within a minute; everything it said is shown then.
    pub async fn said(&self, line: &str) -> Result<()> {
        let find = async || Ok(self.lines().iter().any(|said| said == line).then_some(()));
        until(line, find)
            .await
            .with_context(|| format!("it said: {:#?}", self.lines()))
    }

    /// The address that it says it listens at, as `http://…`.
    ///
    /// # Errors
    ///
    /// When it does not say so.
    pub async fn address(&self) -> Result<String> {
        let line = self.logged("listening").await?;
        Ok(format!(
            "http://{}",
            line["address"].as_str().context("no address")?
        ))
    }

    /// Its process id; none when it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it has logged.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a signal to it, and to it alone.
    ///
    /// # Errors
    ///
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().context("the process has ended")?;
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// Kills it, as a crash would, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it has ended by itself before.
    pub async fn crash(mut self) -> Result<()> {
        ensure!(
            self.child.try_wait()?.is_none(),
            "it ended by itself: {:#?}",
            self.lines()
        );
        Ok(self.child.kill().await?)
    }

    /// Waits for its end; whether it was a success.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub async fn ended(&mut self) -> Result<bool> {
        Ok(self.child.wait().await?.success())
    }
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Finished {
    /// Whether its exit code was 0.
    pub success: bool,
    /// What it printed.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

impl Finished {
    /// Runs the binary `name`.
    pub(crate) async fn of(name: &str, arguments: &[&str], settings: &[(&str, String)]) -> Result<Self> {
        let output = Command::new(binary(name)?)
            .args(arguments)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        Ok(Self {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

/// Beside this program's own binary: `target/PROFILE/NAME`, where tests are in `target/PROFILE/deps`.
fn binary(name: &str) -> Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.parent().context("the program has no folder")?;
    let profile = if folder.ends_with("deps") {
        folder.parent()
    } else {
        Some(folder)
    };
    Ok(profile.context("the tests have no folder")?.join(name))
}

async fn read(stderr: ChildStderr, log: Log) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
        log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
