//! What every attempt at a run needs, whatever the kind.

use std::time::Duration;

use ::service::{clock::Clock, config::Config};
use backend::Backend;
use domain::ModelKind;
use model::{
    gate::GateRules,
    learn::{Learner, Resources, elastic_net, xgboost},
};
use storage::runs::claim::ClaimTerms;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::memory::Memory;

/// The servers, and on what terms is trained; cheap to clone.
#[derive(Clone)]
pub(crate) struct Trainer {
    pub(crate) backend: Backend,
    pub(crate) rules: GateRules,
    pub(crate) clock: Clock,
    pub(crate) resources: Resources,
    pub(crate) memory: Memory,
    /// Learners at work, each on a thread of its own.
    pub(crate) learning: TaskTracker,
    pub(crate) time_limit: Duration,
    pub(crate) lease: Duration,
    pub(crate) max_failures: u32,
    seed: u64,
    /// Shown beside the run.
    name: String,
}

impl Trainer {
    pub(crate) fn new(backend: Backend, config: &Config) -> Self {
        Self {
            backend,
            rules: GateRules {
                min_gain: config.promotion.min_gain,
                min_r2: config.promotion.min_r2,
            },
            clock: Clock::system(),
            resources: Resources {
                min_rows: usize::try_from(config.trainer.min_rows).unwrap_or(usize::MAX),
                threads: threads(config.trainer.threads),
            },
            memory: Memory::new(config.trainer.max_memory_bytes),
            learning: TaskTracker::new(),
            time_limit: config.training.xgboost.time_limit,
            lease: config.trainer.lease,
            max_failures: config.trainer.max_failures,
            seed: config.training.seed,
            name: format!("{} {}", std::process::id(), Uuid::new_v4().simple()),
        }
    }

    /// The learner of a kind, with the settings it has here.
    pub(crate) fn learner(kind: ModelKind, config: &Config) -> Learner {
        match kind {
            ModelKind::Linear => Learner::Linear,
            ModelKind::Xgboost => Learner::Xgboost(xgboost::Settings {
                trials: config.training.xgboost.trials,
            }),
            ModelKind::ElasticNet => Learner::ElasticNet(elastic_net::Settings {
                penalty: config.training.elastic_net.penalty,
                l1_ratio: config.training.elastic_net.l1_ratio,
            }),
        }
    }

    /// The terms on which new runs of a learner are begun.
    pub(crate) fn terms(&self, learner: &Learner) -> serde_json::Result<ClaimTerms> {
        Ok(ClaimTerms {
            worker: self.name.clone(),
            lease: self.lease,
            seed: self.seed,
            settings: serde_json::to_value(learner)?,
        })
    }
}

/// 0 stands for every processor there is.
fn threads(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        wanted => wanted,
    }
}
