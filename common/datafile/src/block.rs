//! From a block to samples and rejected rows.

use domain::{
    Sample,
    row::{Fault, RawRow, judge_within},
};

use crate::{
    Header, Rejection,
    fields::Fields,
    header::not_utf8,
    record::{Record, Records},
    sniff,
};

/// Whole records of a file, made by a [`Splitter`](crate::Splitter).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    first_line: u64,
    bytes: Vec<u8>,
}

impl Block {
    pub(crate) fn new(first_line: u64, bytes: Vec<u8>) -> Self {
        Self { first_line, bytes }
    }

    /// The line on which it begins, counted from 1.
    #[must_use]
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// Its bytes as they stand in the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What the rows of a block are, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// The rows that follow the rules.
    pub samples: Vec<Sample>,
    /// The rows that break one.
    pub rejected: Vec<RejectedRow>,
}

/// A row that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The line on which it begins, counted from 1, the header included.
    pub line: u64,
    /// Every reason, in the order of the columns.
    pub faults: Vec<Fault>,
    /// Its bytes as they stand in the file, without the line end.
    pub text: Vec<u8>,
}

/// About how long a row is, in bytes; only the first guess at how many rows a block has.
const TYPICAL_ROW: usize = 48;

/// Parses a block.
///
/// # Errors
///
/// A [`Rejection`] when the file as a whole cannot be used: it is in an encoding of one byte per
/// letter, or a record is too long. Of several blocks' rejections the first block's counts.
pub fn read_block(block: &Block, header: &Header) -> Result<Rows, Rejection> {
    let mut rows = Rows {
        samples: Vec::with_capacity(block.bytes.len() / TYPICAL_ROW),
        rejected: Vec::new(),
    };
    let mut fields = Fields::new(header.delimiter());
    for record in Records::new(&block.bytes, block.first_line, header.delimiter()) {
        let judged = match text(&record, header)? {
            Some(text) => sample(&record, text, header, &mut fields),
            None => Err(vec![Fault::NotUtf8]),
        };
        match judged {
            Ok(sample) => rows.samples.push(sample),
            Err(faults) => rows.rejected.push(RejectedRow {
                line: record.line,
                faults,
                text: record.text.to_vec(),
            }),
        }
    }
    Ok(rows)
}

/// The text of a record; `None` when it is damaged.
fn text<'a>(record: &Record<'a>, header: &Header) -> Result<Option<&'a str>, Rejection> {
    let limit = header.record_bytes();
    if record.text.len() > limit {
        return Err(Rejection::LongRecord {
            line: record.line,
            limit,
        });
    }
    match str::from_utf8(record.text) {
        Ok(text) => Ok(Some(text)),
        Err(_) if sniff::has_controls(record.text) => Ok(None),
        Err(error) => Err(not_utf8(record.text, record.line, error)),
    }
}

fn sample(
    record: &Record<'_>,
    text: &str,
    header: &Header,
    fields: &mut Fields,
) -> Result<Sample, Vec<Fault>> {
    let texts = fields.texts(record, text, header).map_err(|fault| vec![fault])?;
    judge_within(&RawRow(texts), header.values())
}
