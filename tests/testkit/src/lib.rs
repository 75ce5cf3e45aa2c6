//! What tests stand on: a Postgres database and a RabbitMQ vhost of their own on the private servers,
//! the real services as processes, ways to the servers that can be cut, files with any defect, and waiting for facts
//! instead of sleeping.

mod cluster;
mod database;
mod files;
pub mod generate;
pub mod hostile;
mod node;
mod port;
mod process;
mod proxy;
mod settings;
mod vhost;
mod wait;
mod world;

pub use cluster::Cluster;
pub use database::{TestDatabase, Transaction};
pub use files::allow_open_files;
pub use nix::sys::signal::Signal;
pub use node::Node;
pub use port::free_port;
pub use process::{Finished, Process};
pub use proxy::Proxy;
pub use reqwest::Method;
pub use settings::checkout;
pub use vhost::Vhost;
pub use wait::until;
pub use world::{World, in_world, in_world_on};
