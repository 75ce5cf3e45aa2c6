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

/// One learner on one dataset version, with all that came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrainingRun {
    /// Its identity.
    pub id: Uuid,
    /// What it trains.
    pub kind: ModelKind,
    /// What it trains on.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub dataset_version: DatasetVersion,
    /// Where it stands.
    pub status: RunStatus,
    /// What all its random choices follow from.
    pub seed: u64,
    /// How often it was started.
    pub attempts: u32,
    /// The learner's parameters; null before it succeeded.
    pub parameters: Option<serde_json::Value>,
    /// How well the model does; null before it succeeded.
    pub metrics: Option<Metrics>,
    /// Why it failed, or why the last attempt did.
    pub error: Option<String>,
    /// What the attempts told, line by line.
    pub log: Vec<String>,
    /// When the first attempt began.
    pub started_at: DateTime<Utc>,
    /// When it ended, whichever way.
    pub finished_at: Option<DateTime<Utc>>,
    /// The model it made.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    pub model_version: Option<ModelVersion>,
}
