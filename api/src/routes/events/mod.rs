//! Events: what happened, in the order of commits.

pub(super) mod history;
pub(super) mod stream;

/// The types of events.
const TYPES: [&str; 10] = [
    "dataset.ready",
    "file.accepted",
    "file.held",
    "file.rejected",
    "file.withdrawn",
    "model.ready",
    "run.failed",
    "run.finished",
    "run.progressed",
    "run.started",
];
