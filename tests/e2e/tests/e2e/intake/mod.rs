//! Intake: whatever is dropped, whatever is killed, whatever is away.

mod bursts;
mod decisions;
mod fail_points;
mod inputs;
mod names;
mod outages;
mod retention;
mod store;
mod stored_once;
