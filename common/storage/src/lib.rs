//! Where everything is kept: Postgres for the truth, the object store for the bytes.
//!
//! The only crate, with `migrations`, that knows sea-orm. Its entities are private; queries take
//! and return domain types. A change of state and the events that tell of it are one transaction
//! ([`outbox`]); bytes are written and synced before a row names them, and verified at every read
//! ([`store`]).

pub mod batch;
pub mod challengers;
mod clock;
mod connection;
mod contents;
pub mod data_files;
mod database;
mod dataset_reader;
pub mod datasets;
pub mod decisions;
mod entity;
mod error;
pub mod events;
mod file_row;
mod installation;
pub mod intake;
pub mod keys;
mod listing;
mod merged;
pub mod models;
pub mod outbox;
mod page;
pub mod promoting;
pub mod promotions;
mod retention;
pub mod runs;
pub mod spool;
pub mod store;
pub mod table;
pub mod traffic;

pub use database::{Database, DatabaseSettings};
pub use dataset_reader::DatasetReader;
pub use error::StorageError;
pub use listing::During;
pub use page::{Page, PageRequest, place};
pub use store::Store;
