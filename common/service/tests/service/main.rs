//! The service crate from outside: real processes, real signals, real log lines.

mod child;
mod signals;
mod telemetry;
