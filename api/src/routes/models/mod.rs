//! Models, and which of them is champion.

pub(super) mod artifact;
pub(super) mod champion;
pub(super) mod decisions;
pub(super) mod freeze;
pub(super) mod listed;

use crate::problem::Problem;

/// There is no such model.
fn missing() -> Problem {
    Problem::not_found("such model version; GET /v1/models lists those there are")
}
