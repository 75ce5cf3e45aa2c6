//! Dataset versions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{DatasetVersion, Sha256};

/// A data file's part in a dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetFile {
    /// The file's identity.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sha256: Sha256,
    /// The name it was dropped under.
    pub name: String,
    /// Its accepted rows, known ones included.
    pub rows: u64,
}

/// What the dataset held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataset {
    /// Its number.
    #[cfg_attr(feature = "openapi", schema(value_type = u32))]
    pub version: DatasetVersion,
    /// The files it is made of, in the order in which they were accepted.
    pub files: Vec<DatasetFile>,
    /// How many samples it holds, identical ones counted once.
    pub rows: u64,
    /// When it was committed.
    pub created_at: DateTime<Utc>,
}
