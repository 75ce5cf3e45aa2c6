//! Why a whole file is rejected, in words for whoever dropped it.

use std::io;

use domain::row::Column;

use crate::sniff::Format;

/// Why nothing of a file is used. The text says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// There are no bytes, or blank lines only.
    #[error("the file is empty")]
    Empty,
    /// There is a header and nothing after it.
    #[error("the file has a header and no rows")]
    NoRows,
    /// The text is UTF-16, with or without a byte order mark.
    #[error("the file is UTF-16; save it as UTF-8")]
    Utf16,
    /// The text is in an encoding of one byte per letter.
    #[error(
        "line {line} holds the byte 0x{byte:02X}, which is not UTF-8; \
         the file seems to be Latin-1 or Windows-1252: save it as UTF-8"
    )]
    NotUtf8 {
        /// The line, counted from 1.
        line: u64,
        /// The first byte that cannot be UTF-8.
        byte: u8,
    },
    /// The file is something else under the name of a text file.
    #[error("{what}")]
    NotText {
        /// What it is.
        what: Format,
    },
    /// The header does not name every column.
    #[error("the header lacks {}; the first line must name the columns {}", names(columns), names(&Column::ALL))]
    MissingColumns {
        /// The columns it does not name.
        columns: Vec<Column>,
    },
    /// The header names a column twice.
    #[error("the header names {} more than once; keep one such column", column.name())]
    RepeatedColumn {
        /// The first such column.
        column: Column,
    },
    /// A record is longer than a record may be.
    #[error("the record on line {line} is longer than {limit} bytes; is a quote left open there?")]
    LongRecord {
        /// The line on which the record begins.
        line: u64,
        /// [`record_bytes`](crate::Limits::record_bytes).
        limit: usize,
    },
    /// A quoted value has no end.
    #[error(
        "the quote opened on line {line} is never closed; close it, or double a quote that is part of a value"
    )]
    OpenQuote {
        /// The line of the quote.
        line: u64,
    },
    /// The file is too large.
    #[error("the file holds more than {limit} bytes (unpacked); split it into smaller files")]
    TooLarge {
        /// [`expanded_bytes`](crate::Limits::expanded_bytes).
        limit: u64,
    },
    /// The packed file cannot be unpacked.
    #[error("the gzip file is damaged or cut off ({detail}); pack it again and drop it again")]
    Gzip {
        /// What the decoder says.
        detail: String,
    },
    /// Too many rows break a rule.
    #[error(
        "{rejected} of {read} rows break a rule, more than {} %; none of its rows are used: \
         mend those rows, and drop the whole file again",
        percent(*share)
    )]
    TooManyRejected {
        /// Rows that break a rule.
        rejected: u64,
        /// Rows in the file.
        read: u64,
        /// The share of bad rows that would have passed.
        share: f64,
    },
}

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed; the file itself may be good.
    #[error("the file cannot be read")]
    Io(#[source] io::Error),
    /// The file is not one that can be used.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

impl From<io::Error> for ReadError {
    /// Finds the [`Rejection`] that a reader such as [`gzip::Reader`](crate::gzip::Reader) had to pass on as an I/O error.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Rejection>() {
            Ok(rejection) => Self::Rejected(rejection),
            Err(error) => Self::Io(error),
        }
    }
}

fn names(columns: &[Column]) -> String {
    columns
        .iter()
        .map(|column| column.name())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A share in percent, without the digits that binary fractions add.
fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Rejection::NotUtf8 { line: 3, byte: 0xe9 }, "line 3 holds the byte 0xE9, which is not UTF-8; the file seems to be Latin-1 or Windows-1252: save it as UTF-8")]
    #[case(Rejection::MissingColumns { columns: vec![Column::Cut, Column::Z] }, "the header lacks cut, z; the first line must name the columns carat, cut, color, clarity, depth, table, price, x, y, z")]
    #[case(Rejection::RepeatedColumn { column: Column::Price }, "the header names price more than once; keep one such column")]
    #[case(Rejection::LongRecord { line: 7, limit: 100 }, "the record on line 7 is longer than 100 bytes; is a quote left open there?")]
    #[case(Rejection::OpenQuote { line: 9 }, "the quote opened on line 9 is never closed; close it, or double a quote that is part of a value")]
    #[case(Rejection::TooLarge { limit: 5 }, "the file holds more than 5 bytes (unpacked); split it into smaller files")]
    #[case(Rejection::TooManyRejected { rejected: 3, read: 10, share: 0.07 }, "3 of 10 rows break a rule, more than 7 %; none of its rows are used: mend those rows, and drop the whole file again")]
    fn a_rejection_says_what_is_wrong_and_what_to_do(#[case] rejection: Rejection, #[case] text: &str) {
        assert_eq!(rejection.to_string(), text);
    }

    #[test]
    fn a_rejection_survives_the_way_through_an_io_error() {
        let error = ReadError::from(io::Error::other(Rejection::Empty));
        assert!(
            matches!(error, ReadError::Rejected(Rejection::Empty)),
            "{error:?}"
        );
        let error = ReadError::from(io::Error::other("disk on fire"));
        assert!(matches!(error, ReadError::Io(_)), "{error:?}");
    }
}
