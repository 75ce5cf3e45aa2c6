//! A child process of a test: this test binary again, told to run one ignored test that plays a service.

use std::{env::current_exe, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Service {
    process: Child,
    pub stdout: Lines<BufReader<ChildStdout>>,
    pub stderr: Lines<BufReader<ChildStderr>>,
}

impl Service {
    /// Runs the ignored test of this name.
    pub fn start(test: &str) -> Result<Self> {
        let mut process = Command::new(current_exe()?)
            .args(["--exact", test, "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let stderr = BufReader::new(process.stderr.take().context("no stderr")?).lines();
        Ok(Self {
            process,
            stdout,
            stderr,
        })
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.process.id().context("it has ended")?;
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    pub async fn exit_code(&mut self) -> Result<Option<i32>> {
        Ok(timeout(PATIENCE, self.process.wait()).await??.code())
    }
}

/// Reads until a line that has this in it, and gives that line.
pub async fn line_with<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, part: &str) -> Result<String> {
    let reading = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains(part) {
                return Ok(line);
            }
        }
        anyhow::bail!("the output ended without {part:?}")
    };
    timeout(PATIENCE, reading)
        .await
        .with_context(|| format!("no line with {part:?}"))?
}
