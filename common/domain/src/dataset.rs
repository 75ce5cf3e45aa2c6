//! Dataset versions.

use std::str::FromStr;

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

/// What a dataset version does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DatasetChangeKind {
    /// The file is in the dataset from this version on.
    Added,
    /// The file is no longer in the dataset from this version on.
    Removed,
}

/// A name that no change has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not a change of the dataset")]
pub struct UnknownChange(pub String);

impl FromStr for DatasetChangeKind {
    type Err = UnknownChange;

    fn from_str(text: &str) -> Result<Self, UnknownChange> {
        match text {
            "added" => Ok(Self::Added),
            "removed" => Ok(Self::Removed),
            _ => Err(UnknownChange(text.to_owned())),
        }
    }
}

/// What the dataset held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataset {
    /// Its number.
    #[cfg_attr(feature = "openapi", schema(value_type = u32, example = 2))]
    pub version: DatasetVersion,
    /// What it did with the file `changed_file`.
    pub change: DatasetChangeKind,
    /// The identity of the file that came or left with it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"))]
    pub changed_file: Sha256,
    /// The files it is made of, in the order in which they were accepted; in a list of versions only the one that it
    /// added.
    pub files: Vec<DatasetFile>,
    /// How many files it is made of.
    #[cfg_attr(feature = "openapi", schema(example = 1))]
    pub files_total: u64,
    /// How many samples it holds, identical ones counted once.
    #[cfg_attr(feature = "openapi", schema(example = 53_775))]
    pub rows: u64,
    /// When it was committed.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub created_at: DateTime<Utc>,
}
