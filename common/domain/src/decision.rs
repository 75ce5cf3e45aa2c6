//! What operators decide on data files.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::file::FileStatus;

/// What shall become of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It becomes part of the dataset.
    Accept,
    /// Nothing of it is used.
    Reject,
    /// It leaves the dataset.
    Withdraw,
}

impl Verb {
    /// The name, as tables and paths write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
        }
    }

    /// Whether it can be decided on a file of this status.
    #[must_use]
    pub fn fits(self, status: FileStatus) -> bool {
        match self {
            Self::Accept => matches!(status, FileStatus::Held | FileStatus::Withdrawn),
            Self::Reject => status == FileStatus::Held,
            Self::Withdraw => status == FileStatus::Accepted,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no decision has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not a decision")]
pub struct UnknownVerb(pub String);

impl FromStr for Verb {
    type Err = UnknownVerb;

    fn from_str(text: &str) -> Result<Self, UnknownVerb> {
        match text {
            "accept" => Ok(Self::Accept),
            "reject" => Ok(Self::Reject),
            "withdraw" => Ok(Self::Withdraw),
            _ => Err(UnknownVerb(text.to_owned())),
        }
    }
}

/// An operator's decision on a data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// What was decided.
    pub decision: Verb,
    /// Why, in the operator's words.
    #[cfg_attr(feature = "openapi", schema(example = "checked with the shop"))]
    pub reason: String,
    /// The name of the operator's key.
    #[cfg_attr(feature = "openapi", schema(example = "anna"))]
    pub decided_by: String,
    /// When.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub decided_at: DateTime<Utc>,
    /// When intake carried it out; null while it waits.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T12:00:00Z"))]
    pub applied_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(FileStatus::Held, &[Verb::Accept, Verb::Reject])]
    #[case(FileStatus::Accepted, &[Verb::Withdraw])]
    #[case(FileStatus::Withdrawn, &[Verb::Accept])]
    #[case(FileStatus::Rejected, &[])]
    fn each_status_takes_the_decisions_that_make_sense(#[case] status: FileStatus, #[case] fitting: &[Verb]) {
        for verb in [Verb::Accept, Verb::Reject, Verb::Withdraw] {
            assert_eq!(verb.fits(status), fitting.contains(&verb), "{verb} {status}");
        }
    }
}
