//! Events: what happened, in the order of commits.

pub(super) mod history;
pub(super) mod stream;

use serde::Serialize;
use utoipa::ToSchema;

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

/// What kinds of events there are, for the OpenAPI document.
#[derive(Serialize, ToSchema)]
#[expect(
    dead_code,
    reason = "it describes a parameter that is read by hand, for the sake of all its faults"
)]
pub(super) enum EventType {
    /// There is a new dataset version.
    #[serde(rename = "dataset.ready")]
    DatasetReady,
    /// A data file became part of the dataset.
    #[serde(rename = "file.accepted")]
    FileAccepted,
    /// A data file waits for an operator.
    #[serde(rename = "file.held")]
    FileHeld,
    /// Nothing of a data file is used.
    #[serde(rename = "file.rejected")]
    FileRejected,
    /// A data file left the dataset.
    #[serde(rename = "file.withdrawn")]
    FileWithdrawn,
    /// A model became champion.
    #[serde(rename = "model.ready")]
    ModelReady,
    /// A training run made no model.
    #[serde(rename = "run.failed")]
    RunFailed,
    /// A training run made a model.
    #[serde(rename = "run.finished")]
    RunFinished,
    /// A training run came further.
    #[serde(rename = "run.progressed")]
    RunProgressed,
    /// A training run began.
    #[serde(rename = "run.started")]
    RunStarted,
}
