//! What the registry promises, against real Postgres.

mod challengers;
mod claiming;
mod clocks;
mod finishing;
mod installation;
mod intake;
mod keys;
mod outbox;
mod progress;
mod promoting;
mod retention;
mod silence;
mod support;
mod traffic;
