//! What several unit tests need.

use std::time::Duration;

use ::service::{
    clock::Clock,
    health::{Health, Need},
};
use chrono::DateTime;
use domain::{
    Sha256,
    file::{DataFile, FileStatus, RowCounts, Timings},
};

use crate::progress::Progress;

/// Progress that nobody waits for.
pub(crate) fn unwatched() -> Progress {
    let inbox = Health::new(Clock::system()).component("inbox", Need::Useful);
    Progress::new(inbox.watchdog(Duration::MAX))
}

/// An accepted file of no rows.
pub(crate) fn file(name: &str, content: &str) -> DataFile {
    DataFile {
        sha256: Sha256::of(content.as_bytes()),
        name: name.to_owned(),
        bytes: content.len() as u64,
        status: FileStatus::Accepted,
        rejection: None,
        held: None,
        rows: RowCounts::default(),
        reasons: Vec::new(),
        ignored_columns: Vec::new(),
        dataset_version: None,
        withdrawn_version: None,
        profile: None,
        decision: None,
        timings: Timings::default(),
        received_at: DateTime::UNIX_EPOCH,
        finished_at: DateTime::UNIX_EPOCH,
    }
}
