//! Data files: what came in, and what became of it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{DatasetVersion, Sha256};

/// What became of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// Its good rows are part of the dataset.
    Accepted,
    /// Nothing of it is used.
    Rejected,
}

impl FileStatus {
    /// The name, as tables and answers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// A name that no file status has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not a file status")]
pub struct UnknownStatus(pub String);

impl FromStr for FileStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        match text {
            "accepted" => Ok(Self::Accepted),
            "rejected" => Ok(Self::Rejected),
            _ => Err(UnknownStatus(text.to_owned())),
        }
    }
}

impl fmt::Display for FileStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One reason for which rows were rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReasonCount {
    /// The reason, in words.
    pub reason: String,
    /// How many rows have it.
    pub count: u64,
    /// The first lines that have it, counted from 1, the header included.
    pub lines: Vec<u64>,
}

/// What the rows of a file came to: read = accepted + rejected; known ones are among the accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowCounts {
    /// Rows in the file, the header not counted.
    pub rows_read: u64,
    /// Rows that follow the rules.
    pub rows_accepted: u64,
    /// Accepted rows that the dataset had already, or that stand in the file more than once.
    pub rows_known: u64,
    /// Rows that break a rule.
    pub rows_rejected: u64,
}

/// A data file and its report: `NAME.report.json`, and the answer of `GET /v1/files/{sha256}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataFile {
    /// SHA-256 of the content: the file's identity.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sha256: Sha256,
    /// The name it was dropped under.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What became of it.
    pub status: FileStatus,
    /// Why the file as a whole was rejected; null when it was accepted.
    pub rejection: Option<String>,
    /// What its rows came to.
    #[serde(flatten)]
    pub rows: RowCounts,
    /// Why rows were rejected, most frequent first.
    pub reasons: Vec<ReasonCount>,
    /// Columns that no one asked for.
    pub ignored_columns: Vec<String>,
    /// The dataset version that it made; null when rejected.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    pub dataset_version: Option<DatasetVersion>,
    /// When reading began.
    pub received_at: DateTime<Utc>,
    /// When it was judged.
    pub finished_at: DateTime<Utc>,
}
