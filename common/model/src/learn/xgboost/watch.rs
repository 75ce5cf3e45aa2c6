//! Whoever waits for a search: its clock, and its word on whether to go on.

use std::time::Duration;

use super::Trial;

/// What a search is to do after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try the next batch.
    GoOn,
    /// Try no more, and make the model from the trials so far.
    Finish,
    /// Stop: nobody wants the model any more.
    Abandon,
}

/// What looks on while a search runs.
pub trait Watch: Sync {
    /// Time since any fixed moment; trials are timed with it, and nothing else depends on it.
    fn elapsed(&self) -> Duration;

    /// Whether nobody wants the model any more; asked before each tree, for of very many samples one takes seconds.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Called after each finished batch with all the trials so far, in the order of their numbers.
    fn batch_finished(&mut self, trials: &[Trial]) -> Next;
}
