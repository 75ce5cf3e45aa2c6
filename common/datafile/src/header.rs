//! The header: which column stands where, and what separates the fields.

use domain::row::{Column, RowLimits};
use memchr::memchr;

use crate::{
    Format, Limits, Rejection, fields, lines,
    record::{End, end},
    sniff,
};

/// What may separate fields; the one that finds the most columns does.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// How many ignored columns are named, and with how many characters each.
pub(crate) const IGNORED: usize = 100;

/// How much of a file is searched for NULs when its header makes no sense, in bytes.
const BINARY_HEAD: usize = 4096;

/// How the rows of a file are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    delimiter: u8,
    /// For each field the column that it is, if any.
    slots: Vec<Option<Column>>,
    ignored: Vec<String>,
    record_bytes: usize,
    values: RowLimits,
}

impl Header {
    /// What separates the fields: `,`, `;` or a tab.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// How many fields a row must have.
    #[must_use]
    pub fn width(&self) -> usize {
        self.slots.len()
    }

    /// The columns that nobody asked for: the first 100, of each at most 100 characters.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    pub(crate) fn slots(&self) -> &[Option<Column>] {
        &self.slots
    }

    pub(crate) fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    pub(crate) fn values(&self) -> &RowLimits {
        &self.values
    }

    /// Reads the header that begins on `line` at the start of `head`, and tells how long it is.
    ///
    /// `head` is the whole file, or longer than a record may be.
    pub(crate) fn read(head: &[u8], line: u64, limits: &Limits) -> Result<(Self, usize), Rejection> {
        find(head, line, limits).map_err(|rejection| {
            let start = &head[..head.len().min(BINARY_HEAD)];
            // Whoever drops a binary file is not helped by what is missing in it.
            match memchr(0, start) {
                Some(_) => Rejection::NotText { what: Format::Binary },
                None => rejection,
            }
        })
    }
}

fn find(head: &[u8], line: u64, limits: &Limits) -> Result<(Header, usize), Rejection> {
    let limit = limits.record_bytes;
    let (mut delimiter, mut names, mut known) = (DELIMITERS[0], Vec::new(), 0);
    for candidate in DELIMITERS {
        let Ok(text) = text(head, candidate, line, limit) else {
            continue;
        };
        let found = fields::names(text, candidate);
        let columns = found.iter().filter_map(|name| column(name)).count();
        if columns > known {
            (delimiter, names, known) = (candidate, found, columns);
        }
    }
    let text = text(head, delimiter, line, limit)?;
    check_encoding(text, line)?;
    let slots: Vec<_> = names.iter().map(|name| column(name)).collect();
    check_columns(&slots)?;
    let ignored = names.iter().filter(|name| column(name).is_none());
    let header = Header {
        delimiter,
        ignored: ignored.take(IGNORED).map(|name| shown(name)).collect(),
        slots,
        record_bytes: limit,
        values: limits.values,
    };
    Ok((header, text.len()))
}

/// The text of the first record, if `delimiter` separates the fields.
fn text(head: &[u8], delimiter: u8, line: u64, limit: usize) -> Result<&[u8], Rejection> {
    let (end, _) = end(head, delimiter);
    let len = match end {
        End::At(at) => at,
        End::Pending | End::Open(_) => head.len(),
    };
    match end {
        _ if len > limit => Err(Rejection::LongRecord { line, limit }),
        End::Open(at) => Err(Rejection::OpenQuote {
            line: line + lines::count(&head[..at]),
        }),
        End::At(_) | End::Pending => Ok(&head[..len]),
    }
}

fn check_encoding(text: &[u8], line: u64) -> Result<(), Rejection> {
    let Err(error) = str::from_utf8(text) else {
        return Ok(());
    };
    if sniff::has_controls(text) {
        return Err(Rejection::NotText { what: Format::Binary });
    }
    Err(not_utf8(text, line, error))
}

/// The rejection for a `text` that begins on `line` and is in an encoding of one byte per letter.
pub(crate) fn not_utf8(text: &[u8], line: u64, error: std::str::Utf8Error) -> Rejection {
    let (good, bad) = text.split_at(error.valid_up_to());
    Rejection::NotUtf8 {
        line: line + lines::count(good),
        byte: bad.first().copied().unwrap_or_default(),
    }
}

pub(crate) fn check_columns(slots: &[Option<Column>]) -> Result<(), Rejection> {
    let count = |column: &Column| slots.iter().filter(|slot| **slot == Some(*column)).count();
    if let Some(column) = Column::ALL.into_iter().find(|column| count(column) > 1) {
        return Err(Rejection::RepeatedColumn { column });
    }
    let columns: Vec<_> = Column::ALL
        .into_iter()
        .filter(|column| count(column) == 0)
        .collect();
    if columns.is_empty() {
        Ok(())
    } else {
        Err(Rejection::MissingColumns { columns })
    }
}

pub(crate) fn column(name: &str) -> Option<Column> {
    let named = |column: &Column| column.name().eq_ignore_ascii_case(name);
    Column::ALL.into_iter().find(named)
}

/// A name that a report can hold: not too long, and without characters that nothing can show.
pub(crate) fn shown(name: &str) -> String {
    let shown = |letter: char| {
        if letter.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    };
    name.chars().take(IGNORED).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const COLUMNS: &str = "carat,cut,color,clarity,depth,table,price,x,y,z";

    fn read(head: &[u8]) -> Result<Header, Rejection> {
        let limits = Limits {
            record_bytes: 20_000,
            ..Limits::default()
        };
        Header::read(head, 1, &limits).map(|(header, _)| header)
    }

    #[rstest]
    #[case::commas(COLUMNS.to_owned(), b',', &[])]
    #[case::semicolons(COLUMNS.replace(',', ";"), b';', &[])]
    #[case::tabs(COLUMNS.replace(',', "\t"), b'\t', &[])]
    #[case::quoted(format!("\"{}\"", COLUMNS.replace(',', "\",\"")), b',', &[])]
    #[case::blanks_before_quotes(format!("\"{}\"", COLUMNS.replace(',', "\", \"")), b',', &[])]
    #[case::case_and_blanks(format!(" {} ", COLUMNS.to_uppercase().replace(',', " ; ")), b';', &[])]
    #[case::index(format!(",{COLUMNS}"), b',', &[""])]
    #[case::extra(format!("{COLUMNS},Shop,\"Sold, on\""), b',', &["Shop", "Sold, on"])]
    #[case::other_delimiters(format!("{};\"a,b,c,d,e,f,g,h,i,j,k\"", COLUMNS.replace(',', ";")), b';', &["a,b,c,d,e,f,g,h,i,j,k"])]
    #[case::controls(format!("{COLUMNS},a\0b"), b',', &["a\u{fffd}b"])]
    #[case::accents(format!("{COLUMNS},Käufer"), b',', &["Käufer"])]
    fn columns_are_found(#[case] text: String, #[case] delimiter: u8, #[case] ignored: &[&str]) {
        let header = read(text.as_bytes()).unwrap();
        assert_eq!(header.delimiter(), delimiter);
        assert_eq!(header.width(), 10 + ignored.len());
        assert_eq!(header.ignored(), ignored);
    }

    #[rstest]
    #[case::no_header(b"0.23,Ideal,E,SI2,61.5,55,326,3.95,3.98,2.43\n".to_vec(), "the header lacks carat, cut, color, clarity, depth, table, price, x, y, z; the first line must name the columns carat, cut, color, clarity, depth, table, price, x, y, z")]
    #[case::missing(COLUMNS.replace("cut,", "").into_bytes(), "the header lacks cut; the first line must name the columns carat, cut, color, clarity, depth, table, price, x, y, z")]
    #[case::repeated(format!("{COLUMNS},\"Price\"").into_bytes(), "the header names price more than once; keep one such column")]
    #[case::open_quote(b"carat,\"cut,color\n".to_vec(), "the quote opened on line 1 is never closed; close it, or double a quote that is part of a value")]
    #[case::long(vec![b'a'; 20_001], "the record on line 1 is longer than 20000 bytes; is a quote left open there?")]
    #[case::latin_1([COLUMNS.as_bytes(), b",K\xe4ufer\n"].concat(), "line 1 holds the byte 0xE4, which is not UTF-8; the file seems to be Latin-1 or Windows-1252: save it as UTF-8")]
    #[case::binary(b"carat\0\x01\x02".to_vec(), "the file is not text; export the table as CSV")]
    #[case::binary_without_nul([COLUMNS.as_bytes(), b",\xff\x01\n"].concat(), "the file is not text; export the table as CSV")]
    fn a_bad_header_is_explained(#[case] text: Vec<u8>, #[case] message: &str) {
        assert_eq!(read(&text).unwrap_err().to_string(), message);
    }

    #[test]
    fn ignored_columns_are_bounded() {
        let long = "ü".repeat(200);
        let header = read(format!("{COLUMNS},{long}{}", ",q".repeat(300)).as_bytes()).unwrap();
        assert_eq!(header.ignored().len(), 100);
        assert_eq!(header.ignored()[0].chars().count(), 100);
        assert_eq!(header.width(), 311);
    }
}
