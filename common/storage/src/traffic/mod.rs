//! Traffic records: written in groups (`write`), read by filters (`read`) and models (`slot`), kept by days (`days`).

pub mod days;
mod export;
mod read;
mod row;
mod slot;
mod write;

pub use days::TrafficDay;
pub use export::TrafficParquet;
pub use read::{BodyLimit, TrafficFilter};
pub use write::{TrafficWriter, WriteError};
