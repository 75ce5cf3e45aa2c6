//! What the registry promises, against real Postgres.

mod claiming;
mod finishing;
mod intake;
mod outbox;
mod support;
