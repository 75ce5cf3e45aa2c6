//! The broker crate against a real RabbitMQ: each test in a vhost of its own.

mod consuming;
mod publishing;
mod support;
mod vhost;
mod waking;
