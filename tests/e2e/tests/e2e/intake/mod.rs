//! Intake: whatever is dropped, whatever is killed, whatever is away.

mod archiving;
mod bursts;
mod decisions;
mod fail_points;
mod hundred;
mod inputs;
mod names;
mod outages;
mod retention;
mod stalls;
mod store;
mod stored_once;

pub(crate) use outages::says;
