//! Data files made to measure: valid diamonds of any number, with any defect, the same for the same arguments.
//!
//! Every number in here is whole, so no machine rounds another way. A row depends on the seed and on its own
//! number alone: any amount is written in constant memory.
//!
//! ```
//! use testkit::generate::{Diamonds, FileDefect, RowDefect};
//!
//! let (bytes, expected) = Diamonds::new(1_000, 7)
//!     .with(RowDefect::NegativePrice.in_share(0.01))
//!     .with(FileDefect::Semicolon)
//!     .to_bytes_with_expectations();
//! assert!(bytes.starts_with(b"carat;cut;color;"));
//! assert!(expected.iter().all(|row| row.defect == RowDefect::NegativePrice));
//! ```

mod chance;
mod container;
mod defect;
mod diamonds;
mod file;
mod layout;
mod price;
mod row;
mod shift;
mod size;
mod stone;
mod zip;

pub use domain::row::Column;

pub use defect::{Defect, FileDefect, RowDefect, UnknownDefect};
pub use diamonds::{Diamonds, Format};
pub use file::{Expectation, Written};
pub use shift::{BadShift, Shift};
pub use size::{BadSize, Size};
