//! Data files: what came in, and what became of it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{DatasetVersion, Sha256, decision::Decision, profile::Profile};

/// What became of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// It waits until an operator accepts or rejects it; nothing of it is used yet.
    Held,
    /// Its good rows are part of the dataset.
    Accepted,
    /// Nothing of it is used.
    Rejected,
    /// It was part of the dataset, and an operator took it out.
    Withdrawn,
}

impl FileStatus {
    /// The name, as tables and answers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
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
            "held" => Ok(Self::Held),
            "accepted" => Ok(Self::Accepted),
            "rejected" => Ok(Self::Rejected),
            "withdrawn" => Ok(Self::Withdrawn),
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
    #[cfg_attr(feature = "openapi", schema(example = "z must be greater than 0"))]
    pub reason: String,
    /// How many rows have it.
    #[cfg_attr(feature = "openapi", schema(example = 20))]
    pub count: u64,
    /// The first lines that have it, counted from 1, the header included.
    #[cfg_attr(feature = "openapi", schema(example = json!([2209, 2316])))]
    pub lines: Vec<u64>,
}

/// What the rows of a file came to: read = accepted + rejected; known ones are among the accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowCounts {
    /// Rows in the file, the header not counted.
    #[cfg_attr(feature = "openapi", schema(example = 53_940))]
    pub rows_read: u64,
    /// Rows that follow the rules.
    #[cfg_attr(feature = "openapi", schema(example = 53_920))]
    pub rows_accepted: u64,
    /// Accepted rows that the dataset had already, or that stand in the file more than once.
    #[cfg_attr(feature = "openapi", schema(example = 145))]
    pub rows_known: u64,
    /// Rows that break a rule.
    #[cfg_attr(feature = "openapi", schema(example = 20))]
    pub rows_rejected: u64,
}

/// How long the steps of an intake took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Timings {
    /// Reading and judging the rows.
    #[cfg_attr(feature = "openapi", schema(example = 85))]
    pub read_ms: u64,
    /// Keeping the good rows in the object store, and reading the file once more to see that it has not changed.
    #[cfg_attr(feature = "openapi", schema(example = 110))]
    pub store_ms: u64,
    /// Finding out which rows are known.
    #[cfg_attr(feature = "openapi", schema(example = 12))]
    pub check_ms: u64,
    /// Waiting for other files to get their dataset versions.
    #[cfg_attr(feature = "openapi", schema(example = 2))]
    pub wait_ms: u64,
}

/// A data file and its report: `NAME.report.json`, and the answer of `GET /v1/files/{sha256}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DataFile {
    /// SHA-256 of the content: the file's identity.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"))]
    pub sha256: Sha256,
    /// The name it was dropped under.
    #[cfg_attr(feature = "openapi", schema(example = "diamonds.csv"))]
    pub name: String,
    /// Size in bytes.
    #[cfg_attr(feature = "openapi", schema(example = 2_772_143))]
    pub bytes: u64,
    /// What became of it.
    pub status: FileStatus,
    /// Why the file as a whole was rejected; null unless it was.
    #[cfg_attr(feature = "openapi", schema(example = json!(null)))]
    pub rejection: Option<String>,
    /// Why it waits, or waited, for an operator; null unless it was held.
    #[cfg_attr(feature = "openapi", schema(example = json!(null)))]
    pub held: Option<String>,
    /// What its rows came to.
    #[serde(flatten)]
    pub rows: RowCounts,
    /// Why rows were rejected, most frequent first.
    pub reasons: Vec<ReasonCount>,
    /// Columns that no one asked for.
    #[cfg_attr(feature = "openapi", schema(example = json!(["seller"])))]
    pub ignored_columns: Vec<String>,
    /// The dataset version that it made when it was last accepted; null when it never was.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, example = 2))]
    pub dataset_version: Option<DatasetVersion>,
    /// The first dataset version without it; null unless it is withdrawn.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, example = json!(null)))]
    pub withdrawn_version: Option<DatasetVersion>,
    /// What its good rows look like, beside the dataset before them; null when no row is good.
    pub profile: Option<Profile>,
    /// The operator's last decision on it; null when there is none.
    pub decision: Option<Decision>,
    /// How long the steps of its intake took.
    pub timings: Timings,
    /// When reading began.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub received_at: DateTime<Utc>,
    /// When it was judged.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub finished_at: DateTime<Utc>,
}

impl DataFile {
    /// The last dataset version with it; none unless it is withdrawn.
    #[must_use]
    pub fn last_version(&self) -> Option<DatasetVersion> {
        let first_without = i64::from(self.withdrawn_version?);
        DatasetVersion::try_from(first_without - 1).ok()
    }
}
