//! What trains models: samples in, an artifact out.

mod columns;
pub mod elastic_net;
mod error;
pub mod linear;
mod make;
pub mod memory;
mod problem;
mod rank;
mod target;
mod watch;
pub mod xgboost;

use domain::{ModelKind, Sample, metrics::Validation, run::Trial};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Trained;
pub use error::LearnError;
pub use make::{Made, make};
pub use watch::{Unwatched, Watch};

/// A kind of model with the settings of its training: what a run records, and what a repetition needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Learner {
    /// Least squares on the logarithm of the price; it has no settings.
    Linear,
    /// XGBoost with a search for its parameters.
    Xgboost(xgboost::Settings),
    /// Least squares on the logarithm of the price, the coefficients pulled towards 0.
    ElasticNet(elastic_net::Settings),
}

/// What a learner may use, whatever it learns: nothing of this changes the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// With fewer training samples than this nothing is trained.
    pub min_rows: usize,
    /// How many threads.
    pub threads: usize,
}

/// What a learner makes of training samples.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    /// The model.
    pub(crate) trained: Trained,
    /// The parameters that the learner came to, for the model's history.
    pub(crate) parameters: Value,
    /// Every trial of its search; none where it does not search.
    pub(crate) trials: Vec<Trial>,
    /// How the best trial did on the inner validation side; none where it does not search.
    pub(crate) validation: Option<Validation>,
}

impl Learner {
    /// The kind that it trains.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Linear => ModelKind::Linear,
            Self::Xgboost(_) => ModelKind::Xgboost,
            Self::ElasticNet(_) => ModelKind::ElasticNet,
        }
    }

    /// The same with another number of trials; none where the kind does not search.
    #[must_use]
    pub fn with_trials(self, trials: u32) -> Option<Self> {
        match self {
            Self::Linear | Self::ElasticNet(_) => None,
            Self::Xgboost(_) => Some(Self::Xgboost(xgboost::Settings { trials })),
        }
    }

    /// Fits on training samples; `seed` is what all random choices follow from.
    fn fit(
        &self,
        training: &[Sample],
        seed: u64,
        resources: &Resources,
        watch: &dyn Watch,
    ) -> Result<Fitted, LearnError> {
        match self {
            Self::Linear => linear::learn(training),
            Self::Xgboost(settings) => xgboost::learn(training, settings, seed, resources, watch),
            Self::ElasticNet(settings) => elastic_net::learn(training, settings),
        }
    }
}
