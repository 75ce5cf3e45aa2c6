//! What the registry promises, against real Postgres.

mod claiming;
mod finishing;
mod installation;
mod intake;
mod keys;
mod outbox;
mod progress;
mod promoting;
mod retention;
mod support;
mod traffic;
