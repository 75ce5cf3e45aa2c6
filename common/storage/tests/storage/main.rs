//! What the registry promises, against real Postgres.

mod claiming;
mod finishing;
mod intake;
mod keys;
mod outbox;
mod retention;
mod support;
