//! What a handler may answer.

/// What becomes of a delivery. There is no "error": a handler has to say which kind of failure it met. Nor is there a
/// "retry": work that may succeed later is in Postgres with the time of its next try, and its message has done its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The result is committed, or there was nothing to do, or Postgres knows when to try again: acknowledge.
    Done,
    /// It will never work: hand it to the operators, with the reason.
    DeadLetter {
        /// What is wrong with it.
        reason: String,
    },
    /// Something it depends on is down: keep it in hand, take no other, count nothing, call the handler again.
    Wait {
        /// What is down.
        reason: String,
    },
}
