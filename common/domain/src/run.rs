//! Training runs.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{DatasetVersion, ModelKind, ModelVersion, metrics::Metrics};

/// Where a training run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// To be tried (again).
    Queued,
    /// A trainer holds its lease.
    Running,
    /// It made a model.
    Succeeded,
    /// It made none, and says why.
    Failed,
    /// A newer dataset version came before it was started.
    Superseded,
}

impl RunStatus {
    /// The name, as tables and answers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// A name that no run status has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not a run status")]
pub struct UnknownRunStatus(String);

impl FromStr for RunStatus {
    type Err = UnknownRunStatus;

    fn from_str(text: &str) -> Result<Self, UnknownRunStatus> {
        [
            Self::Queued,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Superseded,
        ]
        .into_iter()
        .find(|status| status.name() == text)
        .ok_or_else(|| UnknownRunStatus(text.to_owned()))
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a search has come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Trials that ended.
    #[cfg_attr(feature = "openapi", schema(example = 40))]
    pub done: u32,
    /// Trials that there will be.
    #[cfg_attr(feature = "openapi", schema(example = 100))]
    pub total: u32,
    /// The lowest mean absolute error so far, in US dollars, on the inner validation side; null before the first.
    #[cfg_attr(feature = "openapi", schema(example = 273.9))]
    pub best_mae: Option<f64>,
}

/// One set of parameters that a search tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trial {
    /// Its place in the search, from 1.
    #[cfg_attr(feature = "openapi", schema(example = 1))]
    pub number: u32,
    /// What was tried.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, serde_json::Value>, example = json!({"max_depth": 6, "learning_rate": 0.1})))]
    pub parameters: serde_json::Value,
    /// Its mean absolute error, in US dollars, on the inner validation side.
    #[cfg_attr(feature = "openapi", schema(example = 282.84))]
    pub mae: f64,
    /// How many rounds (trees) it went.
    #[cfg_attr(feature = "openapi", schema(example = 289))]
    pub rounds: u32,
    /// Whether it was given up because others were further at that point.
    #[cfg_attr(feature = "openapi", schema(example = false))]
    pub pruned: bool,
    /// How long it took, in milliseconds.
    #[cfg_attr(feature = "openapi", schema(example = 749.0))]
    pub duration_ms: f64,
}

/// One learner on one dataset version, with all that came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrainingRun {
    /// Its identity.
    #[cfg_attr(feature = "openapi", schema(example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88"))]
    pub id: Uuid,
    /// What it trains.
    pub kind: ModelKind,
    /// What it trains on.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 2))]
    pub dataset_version: DatasetVersion,
    /// Whether a new dataset version made it; false where somebody asked for it.
    #[cfg_attr(feature = "openapi", schema(example = true))]
    pub automatic: bool,
    /// Where it stands.
    pub status: RunStatus,
    /// What all its random choices follow from.
    #[cfg_attr(feature = "openapi", schema(example = 42))]
    pub seed: u64,
    /// How often it was started.
    #[cfg_attr(feature = "openapi", schema(example = 1))]
    pub attempts: u32,
    /// How often an attempt failed; a few of them end the run.
    #[cfg_attr(feature = "openapi", schema(example = 0))]
    pub failures: u32,
    /// How often its trainer fell silent.
    #[cfg_attr(feature = "openapi", schema(example = 0))]
    pub crashes: u32,
    /// The learner's settings that it was begun with.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, serde_json::Value>, example = json!({"kind": "xgboost", "trials": 100})))]
    pub settings: serde_json::Value,
    /// The parameters that the learner came to; null before it succeeded.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, serde_json::Value>>, example = json!({"max_depth": 9, "learning_rate": 0.02, "rounds": 658})))]
    pub parameters: Option<serde_json::Value>,
    /// How far its search has come; null where there is none.
    pub progress: Option<Progress>,
    /// Every trial of its search so far; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<Vec<Trial>>,
    /// How well the model does; null before it succeeded.
    pub metrics: Option<Metrics>,
    /// Why it failed, or why the last attempt did.
    #[cfg_attr(feature = "openapi", schema(example = json!(null)))]
    pub error: Option<String>,
    /// What the attempts told, line by line.
    #[cfg_attr(feature = "openapi", schema(example = json!(["attempt 1: 53775 samples of dataset version 2"])))]
    pub log: Vec<String>,
    /// When the first attempt began.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub started_at: DateTime<Utc>,
    /// When it ended, whichever way.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub finished_at: Option<DateTime<Utc>>,
    /// The model it made.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, example = 3))]
    pub model_version: Option<ModelVersion>,
}
