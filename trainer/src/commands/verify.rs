//! `trainer verify`: whether a model version comes out again, byte for byte.

use std::process::ExitCode;

use ::service::config;
use anyhow::Context as _;
use clap::Args;
use domain::{ModelVersion, Sha256, model::Model, run::TrainingRun};

use super::{bar::Bar, connect};
use crate::{
    attempt::{self, Repeated},
    samples,
    trainer::Trainer,
};

/// What to verify.
#[derive(Args)]
pub(super) struct Verify {
    /// The model version.
    model_version: ModelVersion,
}

impl Verify {
    /// Trains again, and compares.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = config::load()?;
        let trainer = Trainer::new(connect(&config).await?, &config);
        let database = &trainer.backend.database;
        let version = self.model_version;
        let model = database.model(version).await?;
        let model = model.with_context(|| format!("there is no model version {version}"))?;
        let run = database.run(model.run_id).await?.context("its run is missing")?;

        let rows = database.dataset_rows(model.dataset_version).await?;
        let threads = trainer.resources.threads;
        let reserved = trainer.memory.reserve(model.kind, rows, threads).await?;
        let samples = samples::by_side(&trainer.backend, model.dataset_version);
        let samples = samples.await.context("its dataset cannot be read any more")?;
        let bar = Bar::new();
        let repeated = Repeated::of(&run)?;
        let again = attempt::learn_alone(&trainer, repeated, samples, reserved, |progress| {
            bar.show(progress);
        })
        .await;
        bar.done();
        let again = Sha256::of(again?.artifact.json());
        print!("{}", told(&model, &run, again));
        Ok(if again == model.artifact.sha256 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn told(model: &Model, run: &TrainingRun, again: Sha256) -> String {
    let (version, kind, dataset, seed) = (model.version, model.kind, model.dataset_version, run.seed);
    let what = format!("model version {version} ({kind} on dataset version {dataset}, seed {seed})");
    let recorded = model.artifact.sha256;
    if again == recorded {
        return format!("{what} came out the same: {recorded}\n");
    }
    format!(
        "{what} came out otherwise:\n  recorded {recorded}, by trainer {}\n  now      {again}, by trainer {}\n\
         Another build or another family of processors may round otherwise.\n",
        model.lineage.code_version,
        env!("CARGO_PKG_VERSION"),
    )
}
