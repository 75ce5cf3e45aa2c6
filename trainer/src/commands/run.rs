//! `trainer run`: training on demand.

use std::process::ExitCode;

use ::service::config;
use anyhow::{Context as _, bail};
use clap::Args;
use domain::{DatasetVersion, ModelKind};
use model::learn::Learner;
use tokio_util::sync::CancellationToken;

use super::{bar::Bar, connect};
use crate::{
    attempt::{self, Committed},
    trainer::Trainer,
};

/// What to train.
#[derive(Args)]
pub(super) struct Run {
    /// The kind of model; `trainer kinds` lists them.
    #[arg(long)]
    kind: ModelKind,
    /// The dataset version to train on; the newest when left out.
    #[arg(long, value_name = "N")]
    dataset_version: Option<DatasetVersion>,
    /// How many sets of parameters to try, for a kind that searches.
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    trials: Option<u32>,
}

impl Run {
    /// Trains, and prints what came of it.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = config::load()?;
        let learner = self.learner(&config)?;
        let trainer = Trainer::new(connect(&config).await?, &config);
        let version = self.dataset_version(&trainer).await?;
        let terms = trainer.terms(&learner)?;
        let lease = trainer.backend.database.open_run(self.kind, version, &terms);
        let lease = lease.await.context("the run could not be started")?;
        eprintln!("run {}: {} on dataset version {version}", lease.run_id, self.kind);

        let bar = Bar::new();
        let ended = attempt::run(&trainer, &lease, &interrupted(), |progress| bar.show(progress)).await;
        bar.done();
        match ended {
            Ok(committed) => {
                print!("{}", told(&committed));
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => bail!("run {}: {error}", lease.run_id),
        }
    }

    fn learner(&self, config: &config::Config) -> anyhow::Result<Learner> {
        let learner = Trainer::learner(self.kind, config);
        match self.trials {
            None => Ok(learner),
            Some(trials) => learner.with_trials(trials).with_context(|| {
                format!(
                    "{} does not search, so it has no trials: leave out --trials",
                    self.kind
                )
            }),
        }
    }

    async fn dataset_version(&self, trainer: &Trainer) -> anyhow::Result<DatasetVersion> {
        let newest = trainer.backend.database.newest_dataset().await?;
        let newest = newest.context("there is no dataset version yet: drop a data file into the inbox")?;
        match self.dataset_version {
            Some(wanted) if wanted > newest => {
                bail!("there is no dataset version {wanted}; the newest is {newest}")
            }
            wanted => Ok(wanted.unwrap_or(newest)),
        }
    }
}

/// Fires at Ctrl-C: the run is put back then, for a trainer that serves.
fn interrupted() -> CancellationToken {
    let token = CancellationToken::new();
    let fired = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            fired.cancel();
        }
    });
    token
}

fn told(committed: &Committed) -> String {
    let verdict = &committed.verdict;
    let what = if verdict.promoted {
        "is the champion now"
    } else {
        "is not promoted"
    };
    format!("model version {} {what}: {}\n", committed.version, verdict.reason)
}
