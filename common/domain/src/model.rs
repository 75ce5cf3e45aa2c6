//! Model versions and promotions, as the registry keeps them.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    DatasetVersion, ModelKind, ModelVersion, PromotionNumber, Sha256, dataset::DatasetFile, metrics::Metrics,
    verdict::Verdict,
};

/// Where an artifact's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArtifactRef {
    /// Digest of the bytes, which is also their address in the object store.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"))]
    pub sha256: Sha256,
    /// How many bytes.
    #[cfg_attr(feature = "openapi", schema(example = 15_289_410))]
    pub bytes: u64,
}

/// What a model was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lineage {
    /// The data files of its dataset version; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<DatasetFile>>,
    /// The run's seed.
    #[cfg_attr(feature = "openapi", schema(example = 42))]
    pub seed: u64,
    /// The trainer's version.
    #[cfg_attr(feature = "openapi", schema(example = "0.1.0"))]
    pub code_version: String,
}

/// One successful run's model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Model {
    /// Its number.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 3))]
    pub version: ModelVersion,
    /// What kind it is.
    pub kind: ModelKind,
    /// What it was trained on.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 2))]
    pub dataset_version: DatasetVersion,
    /// The run that made it.
    #[cfg_attr(feature = "openapi", schema(example = "0198c2f0-5b1e-7cc4-b7a5-2f6a3c1d9e88"))]
    pub run_id: Uuid,
    /// When it was committed.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub created_at: DateTime<Utc>,
    /// The learner's parameters.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, serde_json::Value>, example = json!({"max_depth": 9, "learning_rate": 0.02, "rounds": 658})))]
    pub parameters: serde_json::Value,
    /// How well it does.
    pub metrics: Metrics,
    /// Where its bytes are.
    pub artifact: ArtifactRef,
    /// What it was made from.
    pub lineage: Lineage,
    /// What the gate said of it.
    pub verdict: Verdict,
}

/// How a promotion came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The gate found the challenger better.
    Gate,
    /// An operator chose the model.
    Promote,
    /// An operator went back to the champion before.
    Rollback,
}

impl Action {
    /// The name, as tables and answers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

/// A name that no action has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not how a promotion comes about")]
pub struct UnknownAction(String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        [Self::Gate, Self::Promote, Self::Rollback]
            .into_iter()
            .find(|action| action.name() == text)
            .ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

/// The champion that a rollback goes back to, by the promotions so far, oldest first: the one before today's, as if
/// every rollback and what it undid had never been. None where there is none before.
#[must_use]
pub fn champion_before(promotions: impl IntoIterator<Item = (ModelVersion, Action)>) -> Option<ModelVersion> {
    let mut reigns = Vec::new();
    for (version, action) in promotions {
        match action {
            Action::Gate | Action::Promote => reigns.push(version),
            Action::Rollback => drop(reigns.pop()),
        }
    }
    reigns.pop();
    reigns.pop()
}

/// A model version becoming champion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Promotion {
    /// Its place in the sequence.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 2))]
    pub promotion: PromotionNumber,
    /// The model that became champion.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 3))]
    pub model_version: ModelVersion,
    /// When.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub promoted_at: DateTime<Utc>,
    /// By whom: `gate`, or an operator's key.
    #[cfg_attr(feature = "openapi", schema(example = "gate"))]
    pub promoted_by: String,
    /// Why.
    #[cfg_attr(
        feature = "openapi",
        schema(
            example = "holdout error 7.45 % (MAE 271.86 USD) beats the champion's 12.38 % (MAE 550.27 USD) by 107.73 USD on a diamond of 2401.00 USD"
        )
    )]
    pub reason: String,
    /// How it came about.
    pub action: Action,
}

/// The model being served, with the promotion that made it so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Champion {
    /// The model.
    #[serde(flatten)]
    pub model: Model,
    /// Place of its promotion in the sequence.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 2))]
    pub promotion: PromotionNumber,
    /// When it became champion.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub promoted_at: DateTime<Utc>,
    /// By whom: `gate`, or an operator's key.
    #[cfg_attr(feature = "openapi", schema(example = "gate"))]
    pub promoted_by: String,
    /// Why.
    #[cfg_attr(
        feature = "openapi",
        schema(
            example = "holdout error 7.45 % (MAE 271.86 USD) beats the champion's 12.38 % (MAE 550.27 USD) by 107.73 USD on a diamond of 2401.00 USD"
        )
    )]
    pub reason: String,
    /// Whether the gate may not replace it.
    #[cfg_attr(feature = "openapi", schema(example = false))]
    pub frozen: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a rollback goes back to after these promotions, a `-` being a rollback.
    fn before(history: &str) -> Option<u32> {
        let promotion = |word: &str| match word.strip_prefix('-') {
            Some(version) => (version.parse().unwrap(), Action::Rollback),
            None => (word.parse().unwrap(), Action::Gate),
        };
        champion_before(history.split_whitespace().map(promotion)).map(ModelVersion::get)
    }

    #[test]
    fn a_rollback_goes_back_one_champion_at_a_time() {
        assert_eq!(before(""), None);
        assert_eq!(before("1"), None);
        assert_eq!(before("1 2 3"), Some(2));
        assert_eq!(before("1 2 3 -2"), Some(1));
        assert_eq!(before("1 2 3 -2 -1"), None);
        assert_eq!(before("1 2 3 -2 4"), Some(2), "3 was undone");
        assert_eq!(before("1 2 1"), Some(2), "a model may reign twice");
    }
}
