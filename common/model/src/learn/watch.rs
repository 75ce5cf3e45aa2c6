//! What a learner asks and tells while it works: it has no clock and no I/O of its own.

use std::time::Duration;

use domain::run::{Progress, Trial};

/// Whoever a learner works for.
pub trait Watch: Sync {
    /// How long it has worked.
    fn elapsed(&self) -> Duration;

    /// Whether a search should end with the trials that it has; asked between batches.
    fn is_time_over(&self) -> bool;

    /// Whether all of it is in vain; asked often. The learner then ends at once, with [`Cancelled`].
    ///
    /// [`Cancelled`]: super::LearnError::Cancelled
    fn is_cancelled(&self) -> bool;

    /// A batch of `trials` ended, which brings the search to `progress`.
    fn trials_ended(&self, progress: Progress, trials: &[Trial]);
}

/// Nobody in particular: no limit and no news.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn is_time_over(&self) -> bool {
        false
    }

    fn is_cancelled(&self) -> bool {
        false
    }

    fn trials_ended(&self, _: Progress, _: &[Trial]) {}
}
