//! Text data files: the bytes that were dropped in, samples and every fault out.
//!
//! Pure but for [`std::io::Read`], and in bounded memory. One thread cuts a file into blocks of
//! whole records ([`Splitter`]); any number of threads parse blocks ([`read_block`]); their results,
//! taken in the order of the blocks, are added up by a [`Tally`].
//!
//! Where records and fields begin and end is what the `csv` crate says; property tests compare the two.

mod block;
mod fields;
pub mod gzip;
mod header;
mod limits;
mod lines;
mod names;
mod record;
mod rejected;
mod rejection;
mod sniff;
mod splitter;
mod tally;
mod window;

pub use block::{Block, RejectedRow, Rows, read_block};
pub use header::Header;
pub use limits::Limits;
pub use names::Columns;
pub use rejected::{write_rejected, write_rejected_header};
pub use rejection::{ReadError, Rejection};
pub use sniff::Format;
pub use splitter::Splitter;
pub use tally::Tally;
