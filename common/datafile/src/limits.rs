//! How much of a file is held at once, and how much is taken at all.

use domain::row::RowLimits;

/// One mebibyte.
const MIB: usize = 1 << 20;

/// What one file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest record in bytes, its line end not counted; the header is a record too.
    pub record_bytes: usize,
    /// The most bytes that a file may hold, after unpacking.
    pub expanded_bytes: u64,
    /// About how long a block is, in bytes; a single longer record makes a longer block.
    ///
    /// The [`Rows`](crate::Rows) of a block take about one and a half times as much, and at worst, when
    /// all of them are bad and two bytes long, some 60 times.
    pub block_bytes: usize,
    /// The largest values that a row may hold.
    pub values: RowLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: MIB,
            expanded_bytes: 16 << 30,
            block_bytes: MIB,
            values: RowLimits::default(),
        }
    }
}
