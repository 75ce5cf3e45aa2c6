//! Dataset versions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{DatasetVersion, Sha256};

/// A data file's part in a dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetFile {
    /// The file's identity.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"))]
    pub sha256: Sha256,
    /// The name it was dropped under.
    #[cfg_attr(feature = "openapi", schema(example = "diamonds.csv"))]
    pub name: String,
    /// Its accepted rows, known ones included.
    #[cfg_attr(feature = "openapi", schema(example = 53_920))]
    pub rows: u64,
}

/// What the dataset held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataset {
    /// Its number.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 2))]
    pub version: DatasetVersion,
    /// The files it is made of, in the order in which they were accepted.
    pub files: Vec<DatasetFile>,
    /// How many samples it holds, identical ones counted once.
    #[cfg_attr(feature = "openapi", schema(example = 53_775))]
    pub rows: u64,
    /// When it was committed.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub created_at: DateTime<Utc>,
}
