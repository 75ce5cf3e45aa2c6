//! Traffic records: written in groups (`write`), read by filters (`read`), kept by days (`days`).

pub mod days;
mod export;
mod read;
mod row;
mod write;

pub use days::TrafficDay;
pub use export::TrafficParquet;
pub use read::{BodyLimit, TrafficFilter};
pub use write::{TrafficWriter, WriteError};
