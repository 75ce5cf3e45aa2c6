//! What a handler may answer.

/// What becomes of a delivery. There is no "error": a handler has to say which kind of failure it met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The result is committed, or there was nothing to do: acknowledge.
    Done,
    /// It failed and may work later: put it aside and bring it back after the delay of this attempt.
    Retry {
        /// What failed; it travels in the message's headers.
        reason: String,
        /// How often it has been tried, from 1; Postgres counts. Past the last delay step, that one is taken.
        attempt: u32,
    },
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
