//! A whole system for one test.

use std::{
    fs,
    panic::{AssertUnwindSafe, resume_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use futures_util::FutureExt as _;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::{Finished, Process, TestDatabase, Vhost, until};

/// A database, a vhost, an inbox and a store of one's own; cheap to clone.
#[derive(Clone)]
pub struct World {
    /// The database.
    pub database: TestDatabase,
    /// The vhost.
    pub vhost: Vhost,
    folder: Arc<TempDir>,
}

/// Runs a test in a new world, and clears it away, whatever the test did.
///
/// # Errors
///
/// What the test says.
pub async fn in_world<F>(test: impl FnOnce(World) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    in_world_on(TestDatabase::migrated().await?, test).await
}

/// As [`in_world`], with this database, which is deleted at the end.
///
/// # Errors
///
/// What the test says.
pub async fn in_world_on<F>(database: TestDatabase, test: impl FnOnce(World) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let world = World {
        database,
        vhost: Vhost::create().await?,
        folder: Arc::new(tempfile::tempdir()?),
    };
    let result = AssertUnwindSafe(test(world.clone())).catch_unwind().await;
    world.vhost.delete().await?;
    world.database.delete().await?;
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

impl World {
    /// Starts a service with default settings, changed in addresses and in `more`; trained is the linear kind.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn start(&self, service: &str, more: &[(&str, &str)]) -> Result<Process> {
        let process = Process::start(service, &self.settings(more))?;
        process.address().await?;
        Ok(process)
    }

    /// Runs a command of a service to its end, with default settings, changed in addresses and in `more`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub async fn run(&self, service: &str, arguments: &[&str], more: &[(&str, &str)]) -> Result<Finished> {
        Finished::of(service, arguments, &self.settings(more)).await
    }

    fn settings<'a>(&self, more: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
        let any = "127.0.0.1:0".to_owned();
        let mut settings = vec![
            ("LAPIDARY__POSTGRES__URL", self.database.url().to_owned()),
            ("LAPIDARY__RABBITMQ__URL", self.vhost.url()),
            ("LAPIDARY__STORE__URL", self.path("store").display().to_string()),
            (
                "LAPIDARY__INGEST__INBOX",
                self.path("inbox").display().to_string(),
            ),
            (
                "LAPIDARY__INGEST__SCRATCH",
                self.path("scratch").display().to_string(),
            ),
            ("LAPIDARY__API__CACHE", self.path("cache").display().to_string()),
            (
                "LAPIDARY__TRAFFIC__SPOOL",
                self.path("spool").display().to_string(),
            ),
            ("LAPIDARY__INGEST__LISTEN", any.clone()),
            ("LAPIDARY__TRAINER__LISTEN", any.clone()),
            ("LAPIDARY__API__LISTEN", any),
        ];
        // Every kind would train in every test otherwise.
        settings.push(("LAPIDARY__TRAINING__KINDS", "linear".to_owned()));
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        settings
    }

    /// Makes an operator's key.
    ///
    /// # Errors
    ///
    /// When Postgres does not take it.
    pub async fn operator_key(&self) -> Result<String> {
        let key = format!("lap_op_{}", Uuid::new_v4().simple());
        let statement = format!(
            "INSERT INTO api_keys VALUES (gen_random_uuid(), 'test', 'operator', sha256('{key}'), now(), NULL)"
        );
        self.database.execute(&statement).await?;
        Ok(key)
    }

    /// Drops a file into the inbox, safely: under another name, then renamed.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn drop_file(&self, name: &str, content: &[u8]) -> Result<()> {
        let inbox = self.path("inbox");
        fs::create_dir_all(&inbox)?;
        let part = inbox.join(format!(".{}.part", Uuid::new_v4()));
        fs::write(&part, content)?;
        Ok(fs::rename(part, inbox.join(name))?)
    }

    /// Waits for the report of a file, in `accepted` or `rejected`.
    ///
    /// # Errors
    ///
    /// When it does not come.
    pub async fn report(&self, folder: &str, name: &str) -> Result<Value> {
        let path = self
            .path("inbox")
            .join(folder)
            .join(format!("{name}.report.json"));
        let moved = self.path("inbox").join(folder).join(name);
        let seen = async || Ok(moved.exists().then(|| fs::read(&path).ok()).flatten());
        let bytes = until(&format!("{}", path.display()), seen).await?;
        serde_json::from_slice(&bytes).context("the report is no JSON")
    }

    /// Waits until a query answers this number.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn becomes(&self, sql: &str, number: i64) -> Result<()> {
        until(&format!("{number} = {sql}"), async || {
            Ok((self.database.number(sql).await? == number).then_some(()))
        })
        .await
    }

    /// A place of this world.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}
