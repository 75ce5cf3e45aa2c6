//! What every attempt at a run needs, whatever the kind.

use std::time::Duration;

use ::service::config::Config;
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
    pub(crate) resources: Resources,
    pub(crate) memory: Memory,
    /// Learners at work, each on a thread of its own.
    pub(crate) learning: TaskTracker,
    pub(crate) time_limit: Duration,
    pub(crate) lease: Duration,
    pub(crate) max_failures: u32,
    /// How long a run waits after its first failed attempt; longer after each further one.
    pub(crate) retry_after: Duration,
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
            resources: Resources {
                min_rows: usize::try_from(config.trainer.min_rows).unwrap_or(usize::MAX),
                threads: threads(config.trainer.threads),
            },
            memory: Memory::new(config.trainer.max_memory_bytes),
            learning: TaskTracker::new(),
            time_limit: config.training.xgboost.time_limit,
            lease: config.trainer.lease,
            max_failures: config.trainer.max_failures,
            retry_after: config.trainer.retry_after,
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

/// How long a run waits that has failed `failures` times: `first`, then 6 and 24 times that.
pub(crate) fn retry_after(first: Duration, failures: u32) -> Duration {
    match failures {
        0 | 1 => first,
        2 => first.saturating_mul(6),
        _ => first.saturating_mul(24),
    }
}

/// 0 stands for every processor there is.
fn threads(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        wanted => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W1: three attempts once were over within seconds.
    #[test]
    fn each_failure_makes_a_run_wait_longer() {
        let waits = [1, 2, 3, 4].map(|failures| retry_after(Duration::from_secs(5), failures).as_secs());
        assert_eq!(waits, [5, 30, 120, 120]);
    }
}
