//! A Postgres server of one's own, for what would disturb everybody on the shared one: that it stops.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{port::free_port, wait::until};

/// Debian's folders, one for each major version.
const INSTALLED: &str = "/usr/lib/postgresql";

/// A Postgres that a test started, and may stop; it ends with this value.
pub struct Cluster {
    folder: TempDir,
    /// Postgres does not run as root: then it runs as the user that its package made.
    are_we_root: bool,
    programs: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Cluster {
    /// Makes a cluster, and starts its server: with `fsync`, as all of Postgres' defaults.
    ///
    /// # Errors
    ///
    /// When Postgres is not installed, or does not come up within a minute.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut cluster = Self {
            are_we_root: fs::metadata(folder.path())?.uid() == 0,
            folder,
            programs: programs()?,
            port: free_port()?,
            process: None,
        };
        if cluster.are_we_root {
            run(Command::new("chown").arg("postgres:").arg(cluster.folder.path()))?;
        }
        let options = ["--auth=trust", "--username=postgres", "--encoding=UTF8"];
        run(cluster.command("initdb").args(options))?;
        cluster.launch().await?;
        Ok(cluster)
    }

    /// `postgres://…` of its first database; its user may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server at once, whatever it is doing (`SIGQUIT`): what is not on disk by then is lost.
    ///
    /// # Errors
    ///
    /// When it has been stopped already.
    pub fn crash(&mut self) -> Result<()> {
        self.stop(Signal::SIGQUIT)
    }

    /// Stops the server in order, its connections closed (`SIGINT`).
    ///
    /// # Errors
    ///
    /// When it has been stopped already.
    pub fn shut_down(&mut self) -> Result<()> {
        self.stop(Signal::SIGINT)
    }

    /// Starts the server on the data that it left.
    ///
    /// # Errors
    ///
    /// When it does not come up within a minute.
    pub async fn launch(&mut self) -> Result<()> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let port = self.port.to_string();
        let mut server = self.command("postgres");
        server
            .args(["-p", &port, "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .stderr(log);
        self.process = Some(server.spawn()?);
        let ready = async || {
            let asked = Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status()?;
            Ok(asked.success().then_some(()))
        };
        until("the test's own Postgres", ready)
            .await
            .with_context(|| fs::read_to_string(self.log_path()).unwrap_or_default())
    }

    fn stop(&mut self, how: Signal) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        kill(Pid::from_raw(i32::try_from(process.id())?), how)?;
        process.wait()?;
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A program of Postgres on this cluster's data.
    fn command(&self, program: &str) -> Command {
        let mut command = if self.are_we_root {
            let mut other = Command::new("setpriv");
            other.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            other.arg(self.programs.join(program));
            other
        } else {
            Command::new(self.programs.join(program))
        };
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.process.is_some()
            && let Err(error) = self.crash()
        {
            eprintln!("the test's own Postgres could not be ended: {error}");
        }
    }
}

/// The programs of the newest Postgres that is installed.
fn programs() -> Result<PathBuf> {
    let missing = || format!("no Postgres in {INSTALLED}: run `make install`");
    let versions = fs::read_dir(INSTALLED).with_context(missing)?;
    let newest = versions
        .filter_map(|version| version.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max();
    Ok(Path::new(INSTALLED)
        .join(newest.with_context(missing)?.to_string())
        .join("bin"))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(())
}
