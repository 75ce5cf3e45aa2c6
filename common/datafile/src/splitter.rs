//! Cutting a file into blocks of whole records.

use std::io::Read;

use memchr::memchr;

use crate::{
    Block, Header, Limits, ReadError, Rejection, lines,
    record::{End, end},
    sniff,
    window::Window,
};

/// Splits a text file into blocks of whole records, in order.
///
/// It holds one block and the longest record at most.
#[derive(Debug)]
pub struct Splitter<R> {
    window: Window<R>,
    limits: Limits,
    header: Header,
    /// The line on which the next block begins.
    line: u64,
}

impl<R: Read> Splitter<R> {
    /// Reads the header: finds encoding, delimiter and columns.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] when the file is no UTF-8 text or its header does not name every column once;
    /// an I/O error when `source` fails.
    pub fn open(source: R, limits: Limits) -> Result<Self, ReadError> {
        let mut window = Window::new(source, limits.expanded_bytes);
        window.fill(more_than_a_record(&limits))?;
        sniff::check(window.bytes())?;
        if window.bytes().starts_with(sniff::BOM) {
            window.skip(sniff::BOM.len());
        }
        let line = skip_blank_lines(&mut window, &limits)?;
        let (header, len) = Header::read(window.bytes(), line, &limits)?;
        let len = len + lines::end_len(&window.bytes()[len..]);
        let line = line + lines::count(&window.bytes()[..len]);
        window.skip(len);
        Ok(Self {
            window,
            limits,
            header,
            line,
        })
    }

    /// How the blocks are to be read.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next block; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] when a record is too long, a quote is left open or the file is too large;
    /// an I/O error when the source fails. There is nothing to be had after an error.
    pub fn next_block(&mut self) -> Result<Option<Block>, ReadError> {
        let longest = more_than_a_record(&self.limits);
        let mut target = self.limits.block_bytes.max(1);
        loop {
            self.window.fill(target)?;
            let view = View::of(&self.window, target);
            if view.bytes.is_empty() {
                return Ok(None);
            }
            if let Some(len) = self.cut(view)? {
                return Ok(Some(self.block(len)));
            }
            if view.bytes.len() >= longest {
                return Err(self.long_record(self.line).into());
            }
            // Twice as much each time: a long record is scanned again only a few times.
            target = view.bytes.len().saturating_mul(2).min(longest);
        }
    }

    /// How many bytes are whole records; `None` when not even the first is.
    fn cut(&self, view: View<'_>) -> Result<Option<usize>, Rejection> {
        if memchr(b'"', view.bytes).is_some() {
            return self.cut_quoted(view);
        }
        if view.ended {
            return Ok(Some(view.bytes.len()));
        }
        Ok(lines::last_end(view.bytes, view.ended))
    }

    /// Walks from record to record, because a line end may stand inside quotes.
    fn cut_quoted(&self, View { bytes, ended }: View<'_>) -> Result<Option<usize>, Rejection> {
        let mut start = 0;
        while start < bytes.len() {
            let rest = &bytes[start..];
            match end(rest, self.header.delimiter()).0 {
                // An LF that belongs to this CR may follow.
                End::At(at) if !ended && rest[at..] == *b"\r" => break,
                End::At(at) => start += at + lines::end_len(&rest[at..]),
                // What stands before it is handed on first: of several faults the first is told.
                End::Open(at) if ended && start == 0 => return Err(self.open_quote(bytes, at)),
                End::Pending if ended => start = bytes.len(),
                End::Open(_) | End::Pending => break,
            }
        }
        Ok((start > 0).then_some(start))
    }

    fn block(&mut self, len: usize) -> Block {
        let block = Block::new(self.line, self.window.take(len));
        self.line += lines::count(block.bytes());
        block
    }

    /// The rejection for the quote at `at` in `record`, which is the last one and open at its end.
    fn open_quote(&self, record: &[u8], at: usize) -> Rejection {
        if record.len() > self.limits.record_bytes {
            return self.long_record(self.line);
        }
        Rejection::OpenQuote {
            line: self.line + lines::count(&record[..at]),
        }
    }

    fn long_record(&self, line: u64) -> Rejection {
        Rejection::LongRecord {
            line,
            limit: self.limits.record_bytes,
        }
    }
}

/// The part of the window that the next block is cut from.
#[derive(Clone, Copy)]
struct View<'a> {
    bytes: &'a [u8],
    /// Whether the file ends with it.
    ended: bool,
}

impl<'a> View<'a> {
    /// At most `target` bytes.
    fn of<R: Read>(window: &'a Window<R>, target: usize) -> Self {
        let bytes = window.bytes();
        match bytes.get(..target) {
            Some(start) if start.len() < bytes.len() => Self {
                bytes: start,
                ended: false,
            },
            _ => Self {
                bytes,
                ended: window.ended(),
            },
        }
    }
}

/// The longest record with its line end.
fn more_than_a_record(limits: &Limits) -> usize {
    limits.record_bytes.saturating_add(2)
}

/// Skips the blank lines before the header, and tells the line on which it begins.
fn skip_blank_lines<R: Read>(window: &mut Window<R>, limits: &Limits) -> Result<u64, ReadError> {
    let mut line = 1;
    loop {
        window.fill(more_than_a_record(limits))?;
        let (bytes, ended) = (window.bytes(), window.ended());
        let blank = lines::blank_prefix(bytes, ended);
        if ended && lines::is_blank(&bytes[blank..], 0) {
            return Err(Rejection::Empty.into());
        }
        if blank == 0 {
            return Ok(line);
        }
        line += lines::count(&bytes[..blank]);
        window.skip(blank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fields::names, record::Records};
    use proptest::prelude::*;

    const HEADER: &str = "carat,cut,color,clarity,depth,table,price,x,y,z\n";

    /// Line, text and fields.
    type Row = (u64, Vec<u8>, Vec<String>);

    /// The rows of a file that is split into blocks of about `block_bytes`.
    fn split(file: &[u8], block_bytes: usize) -> Result<Vec<Row>, ReadError> {
        let limits = Limits {
            block_bytes,
            ..Limits::default()
        };
        let mut splitter = Splitter::open(file, limits)?;
        let mut rows = Vec::new();
        while let Some(block) = splitter.next_block()? {
            let records = Records::new(block.bytes(), block.first_line(), b',');
            rows.extend(records.map(|record| (record.line, record.text.to_vec(), names(record.text, b','))));
        }
        Ok(rows)
    }

    /// The rows of a file by the `csv` crate alone.
    fn by_csv(file: &[u8]) -> Vec<Row> {
        let mut builder = csv::ReaderBuilder::new();
        let mut reader = builder.flexible(true).from_reader(file);
        reader.byte_headers().unwrap();
        let mut rows = Vec::new();
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).unwrap() {
            let from = record.position().unwrap().byte() as usize;
            let to = reader.position().byte() as usize;
            let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let blank = file[from..].iter().take_while(|byte| is_end(byte)).count();
            let text = &file[from + blank..to];
            let text = text
                .strip_suffix(b"\n")
                .or(text.strip_suffix(b"\r"))
                .unwrap_or(text);
            if text.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                continue;
            }
            let name = |field: &[u8]| {
                let field = String::from_utf8_lossy(field).trim().to_owned();
                let inner = field.strip_prefix('"').and_then(|field| field.strip_suffix('"'));
                inner.unwrap_or(&field).trim().to_owned()
            };
            rows.push((
                line_of(file, from + blank),
                text.to_vec(),
                record.iter().map(name).collect(),
            ));
        }
        rows
    }

    /// Counts line ends the slow way.
    fn line_of(file: &[u8], at: usize) -> u64 {
        let text = String::from_utf8_lossy(&file[..at]).replace("\r\n", "\n");
        1 + text.matches(['\r', '\n']).count() as u64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_block_size_gives_the_records_that_csv_gives(
            body in r#"([a1. ,"\t\r\n]|\r\n|""|,"|",|é|\u{feff}){0,60}"#,
            block_bytes in 1usize..70,
        ) {
            let file = format!("{HEADER}{body}");
            match split(file.as_bytes(), block_bytes) {
                Ok(rows) => prop_assert_eq!(rows, by_csv(file.as_bytes())),
                // `csv` lets the end of the file close a quote. With one more, it is closed indeed.
                Err(ReadError::Rejected(Rejection::OpenQuote { line })) => {
                    let closed = format!("{file}\"\nlast");
                    let rows = split(closed.as_bytes(), block_bytes).unwrap();
                    prop_assert_eq!(&rows, &by_csv(closed.as_bytes()));
                    let (first, text, _) = &rows[rows.len() - 2];
                    prop_assert!((*first..=first + lines::count(text)).contains(&line));
                }
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }

        #[test]
        fn a_line_without_old_returns_is_the_line_that_csv_counts(body in r#"([a1,"\n]|",|,"){0,60}"#) {
            let file = format!("{HEADER}{body}\"");
            let mut builder = csv::ReaderBuilder::new();
            let mut reader = builder.flexible(true).from_reader(file.as_bytes());
            let lines: Vec<_> = reader.byte_records().map(|record| {
                let position = record.unwrap().position().unwrap().clone();
                let blank = file.as_bytes()[position.byte() as usize..].iter().take_while(|byte| **byte == b'\n');
                position.line() + blank.count() as u64
            }).collect();
            if let Ok(rows) = split(file.as_bytes(), 9) {
                prop_assert_eq!(rows.into_iter().map(|row| row.0).collect::<Vec<_>>(), lines);
            }
        }
    }
}
