//! What the registry promises, against real Postgres.

mod challengers;
mod claiming;
mod finishing;
mod intake;
mod keys;
mod outbox;
mod progress;
mod promoting;
mod retention;
mod support;
mod traffic;
