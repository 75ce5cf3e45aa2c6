//! `ingest retain`: housekeeping, never done unasked.

mod batches;
mod files;
mod found;

use std::process::ExitCode;

use ::service::{
    clock::Clock,
    config::{self, Config},
};
use anyhow::{Context as _, bail};
use chrono::{DateTime, Days, Utc};
use clap::{ArgGroup, Args};

use batches::Batches;
use found::{Found, Target, size, table};

/// What shall be looked for, and whether it shall be deleted.
#[derive(Args)]
#[command(
    group = ArgGroup::new("what").args(["accepted_days", "rejected_days", "batches"]).required(true).multiple(true),
    after_help = "Without --delete nothing is changed. Files in held/ are never touched, and what Postgres knows of \
        files, dataset versions and models is kept for ever."
)]
pub(crate) struct Retain {
    /// Files that came to accepted/ more than N days ago, with their reports. Their rows stay in the object store.
    #[arg(long, value_name = "N")]
    accepted_days: Option<u32>,
    /// Files that came to rejected/ more than N days ago, with their reports.
    #[arg(long, value_name = "N")]
    rejected_days: Option<u32>,
    /// Batches in the object store that are older than a day and that nothing in use needs: neither the newest
    /// dataset version, nor the champion's, nor a training run under way, nor a held file, nor a decision that
    /// waits. What is lost by it: older model versions cannot be verified, rolled back to or promoted again, older
    /// dataset versions cannot be exported, and a withdrawn file cannot be accepted again; its rows have to be
    /// dropped as a new file.
    #[arg(long)]
    batches: bool,
    /// Deletes what is listed.
    #[arg(long)]
    delete: bool,
}

impl Retain {
    /// Runs it; what goes wrong is told in one sentence, without the backtrace that a service's end deserves.
    pub(super) async fn run(self) -> ExitCode {
        match self.list_and_delete().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    async fn list_and_delete(self) -> anyhow::Result<()> {
        let config = config::load()?;
        let now = Clock::system().now();
        let mut found = self.files(&config, now)?;
        let batches = match self.batches {
            true => Some(Batches::open(&config, now).await?),
            false => None,
        };
        if let Some(batches) = &batches {
            found.extend(batches.find().await?);
        }
        if found.is_empty() {
            println!("There is nothing to delete.");
            return Ok(());
        }
        print!("{}", table(&found, now));
        if self.delete {
            return delete(&found, batches.as_ref()).await;
        }
        println!("Nothing was deleted; to delete all of this, say the same with --delete.");
        Ok(())
    }

    fn files(&self, config: &Config, now: DateTime<Utc>) -> anyhow::Result<Vec<Found>> {
        let mut found = Vec::new();
        for (folder, days) in [("accepted", self.accepted_days), ("rejected", self.rejected_days)] {
            let before = days.and_then(|days| now.checked_sub_days(Days::new(days.into())));
            if let Some(before) = before {
                let path = config.ingest.inbox.join(folder);
                let files = files::find(&path, folder, before);
                found.extend(files.with_context(|| format!("cannot look through {}", path.display()))?);
            }
        }
        Ok(found)
    }
}

/// Goes on after a failure, and tells each.
async fn delete(found: &[Found], batches: Option<&Batches>) -> anyhow::Result<()> {
    let (mut deleted, mut bytes) = (0, 0);
    for found in found {
        let done = match (&found.target, batches) {
            (Target::Files(paths), _) => files::delete(paths).map(|()| true).map_err(Into::into),
            (Target::Batch(digest), Some(batches)) => batches.delete(*digest).await,
            (Target::Hashes(digest), Some(batches)) => batches.delete_hashes(*digest).await,
            (Target::Batch(_) | Target::Hashes(_), None) => Ok(false),
        };
        match done {
            Ok(true) => (deleted, bytes) = (deleted + 1, bytes + found.bytes),
            Ok(false) => eprintln!("left {}: it is needed by now, or gone", found.name),
            Err(error) => eprintln!("left {}: {error:#}", found.name),
        }
    }
    println!("Deleted {deleted} of {}, {}.", found.len(), size(bytes));
    if deleted < found.len() {
        bail!("not all of it could be deleted");
    }
    Ok(())
}
