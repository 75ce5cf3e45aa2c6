//! Where records begin and end, by the rules of the `csv` crate.
//!
//! Those rules: CR, LF and CRLF each end a record. A quote opens a quoted field only where a field
//! begins; inside, `""` stands for a quote and line ends are text. What follows a closing quote
//! continues the field unquoted, and quotes in there mean nothing.

use memchr::{memchr, memchr3};

use crate::lines;

/// What stands at the end of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A line end, at this position.
    At(usize),
    /// The end of the bytes, outside of quotes.
    Pending,
    /// The end of the bytes, inside the quotes that were opened at this position.
    Open(usize),
}

/// Finds the end of the record that starts at the start of `bytes`, and whether it holds a quote.
pub(crate) fn end(bytes: &[u8], delimiter: u8) -> (End, bool) {
    let (mut at, mut quoted) = (0, false);
    loop {
        let Some(found) = memchr3(b'"', b'\n', b'\r', &bytes[at..]).map(|found| at + found) else {
            return (End::Pending, quoted);
        };
        if bytes[found] != b'"' {
            return (End::At(found), quoted);
        }
        quoted = true;
        let opens = found == 0 || bytes[found - 1] == delimiter;
        at = match opens.then(|| closing(bytes, found)) {
            None => found + 1,
            Some(Some(closed)) => closed + 1,
            Some(None) => return (End::Open(found), quoted),
        };
    }
}

/// The quote that closes the one at `open`.
fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        let found = at + memchr(b'"', &bytes[at..])?;
        if bytes.get(found + 1) != Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}

/// A record as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// The line on which it begins, counted from 1.
    pub(crate) line: u64,
    /// Its bytes without the line end.
    pub(crate) text: &'a [u8],
    /// Whether there is a quote in it.
    pub(crate) quoted: bool,
}

/// The records of a block, blank lines left out.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    line: u64,
    delimiter: u8,
}

impl<'a> Records<'a> {
    /// `bytes` are whole records, the first of which begins on `line`.
    pub(crate) fn new(bytes: &'a [u8], line: u64, delimiter: u8) -> Self {
        Self {
            rest: bytes,
            line,
            delimiter,
        }
    }

    fn record(&mut self) -> Record<'a> {
        let (end, quoted) = end(self.rest, self.delimiter);
        let at = match end {
            End::At(at) => at,
            End::Pending | End::Open(_) => self.rest.len(),
        };
        let (text, rest) = self.rest.split_at(at);
        let line = self.line;
        self.line += 1 + if quoted { lines::count(text) } else { 0 };
        self.rest = &rest[lines::end_len(rest)..];
        Record { line, text, quoted }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        while !self.rest.is_empty() {
            let record = self.record();
            if !lines::is_blank(record.text, self.delimiter) {
                return Some(record);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::lf(b"a,b\nc", End::At(3), false)]
    #[case::crlf(b"a,b\r\nc", End::At(3), false)]
    #[case::cr(b"a,b\rc", End::At(3), false)]
    #[case::blank(b"\nc", End::At(0), false)]
    #[case::no_end(b"a,b", End::Pending, false)]
    #[case::quoted_line_end(b"a,\"b\n\"\n", End::At(6), true)]
    #[case::doubled_quote(b"\"a\"\"\n\"\n", End::At(6), true)]
    #[case::quote_inside_a_field(b"6\"\nb", End::At(2), true)]
    #[case::quote_after_a_blank(b"a, \"b\nc", End::At(5), true)]
    #[case::text_after_a_closing_quote(b"\"a\"b\"\nc", End::At(5), true)]
    #[case::open(b"a,\"b\n", End::Open(2), true)]
    #[case::open_after_doubled(b"\"a\"\"\n", End::Open(0), true)]
    fn a_record_ends_where_csv_says(#[case] bytes: &[u8], #[case] expected: End, #[case] quoted: bool) {
        assert_eq!(end(bytes, b','), (expected, quoted));
    }

    #[test]
    fn lines_are_counted_through_blank_lines_and_quoted_line_ends() {
        let bytes = b"a\r\n\r\n\"b\nb\"\rc\n  \nd";
        let records: Vec<_> = Records::new(bytes, 5, b',')
            .map(|record| (record.line, record.text))
            .collect();
        assert_eq!(records, [(5, &b"a"[..]), (7, b"\"b\nb\""), (9, b"c"), (11, b"d")]);
    }
}
