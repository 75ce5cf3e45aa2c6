//! What every service does alike, whatever it is for: reading its settings ([`config`]), logging and counting
//! ([`telemetry`]), starting, stopping and dying ([`lifecycle`]), saying how it is ([`health`], [`probes`]),
//! knowing the time ([`clock`]) and putting errors into words ([`error`]).
//!
//! It knows neither Postgres nor RabbitMQ nor the object store: services tell [`health::Health`] about those.

pub mod clock;
pub mod config;
pub mod error;
pub mod failpoint;
pub mod health;
pub mod lifecycle;
pub mod probes;
pub mod telemetry;
