//! Model versions and promotions, as the registry keeps them.

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
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sha256: Sha256,
    /// How many bytes.
    pub bytes: u64,
}

/// What a model was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lineage {
    /// The data files of its dataset version.
    pub files: Vec<DatasetFile>,
    /// The run's seed.
    pub seed: u64,
    /// The trainer's version.
    pub code_version: String,
}

/// One successful run's model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Model {
    /// Its number.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub version: ModelVersion,
    /// What kind it is.
    pub kind: ModelKind,
    /// What it was trained on.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub dataset_version: DatasetVersion,
    /// The run that made it.
    pub run_id: Uuid,
    /// When it was committed.
    pub created_at: DateTime<Utc>,
    /// The learner's parameters.
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

/// A model version becoming champion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Promotion {
    /// Its place in the sequence.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub promotion: PromotionNumber,
    /// The model that became champion.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub model_version: ModelVersion,
    /// When.
    pub promoted_at: DateTime<Utc>,
    /// By whom: `gate`, or an operator's key.
    pub promoted_by: String,
    /// Why.
    pub reason: String,
}

/// The model being served, with the promotion that made it so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Champion {
    /// The model.
    #[serde(flatten)]
    pub model: Model,
    /// Place of its promotion in the sequence.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub promotion: PromotionNumber,
    /// When it became champion.
    pub promoted_at: DateTime<Utc>,
    /// By whom: `gate`, or an operator's key.
    pub promoted_by: String,
    /// Why.
    pub reason: String,
}
