//! The dialect of a file: which columns it has, where they stand and what is between them.

use domain::row::Column;

use super::{
    chance::mixed,
    defect::{Defect, FileDefect, RowDefect},
};

/// How many blanks a note of a gzip bomb has: the line stays below 1 MiB.
const PADDING: usize = 512 * 1024;

/// What stands in one place of every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// The row's number, from 0; has no name.
    Index,
    Column(Column),
    /// Where the stone is sold.
    Shop,
    /// What somebody wrote about the stone.
    Note,
}

/// How rows and the header are written.
pub(super) struct Layout {
    pub(super) fields: Vec<Field>,
    pub(super) open: &'static [u8],
    pub(super) between: Vec<u8>,
    pub(super) close: &'static [u8],
    pub(super) line_end: &'static [u8],
    pub(super) blanks: bool,
    pub(super) exponents: bool,
    pub(super) one_byte_letters: bool,
    /// Blanks at the end of every note.
    pub(super) padding: usize,
    upper_case: bool,
}

impl Layout {
    pub(super) fn of(defects: &[Defect], start: u64) -> Self {
        let has = |defect| defects.contains(&Defect::File(defect));
        let quote: &'static [u8] = if has(FileDefect::Quoted) { b"\"" } else { b"" };
        Self {
            fields: fields(defects, start),
            open: quote,
            between: [quote, &[delimiter(defects)], quote].concat(),
            close: quote,
            line_end: line_end(defects),
            blanks: has(FileDefect::Blanks),
            exponents: has(FileDefect::Exponents),
            one_byte_letters: has(FileDefect::Latin1) || has(FileDefect::Utf16),
            padding: if has(FileDefect::GzipBomb) { PADDING } else { 0 },
            upper_case: has(FileDefect::UpperCaseHeader),
        }
    }

    pub(super) fn write_header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.open);
        for (position, field) in self.fields.iter().enumerate() {
            if position > 0 {
                out.extend_from_slice(&self.between);
            }
            let name = field.name();
            let name = if self.upper_case {
                name.to_uppercase()
            } else {
                name.to_owned()
            };
            let blank = if self.blanks { " " } else { "" };
            out.extend([blank, &name, blank].concat().into_bytes());
        }
        out.extend_from_slice(self.close);
        out.extend_from_slice(self.line_end);
    }
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Index => "",
            Self::Column(column) => column.name(),
            Self::Shop => "shop",
            Self::Note => "note",
        }
    }
}

/// The last one named wins.
fn delimiter(defects: &[Defect]) -> u8 {
    let delimiter = |defect: &Defect| match defect {
        Defect::File(FileDefect::Semicolon) => Some(b';'),
        Defect::File(FileDefect::Tab) => Some(b'\t'),
        _ => None,
    };
    defects.iter().rev().find_map(delimiter).unwrap_or(b',')
}

/// The last one named wins.
fn line_end(defects: &[Defect]) -> &'static [u8] {
    let line_end = |defect: &Defect| match defect {
        Defect::File(FileDefect::Crlf) => Some(&b"\r\n"[..]),
        Defect::File(FileDefect::Cr) => Some(&b"\r"[..]),
        _ => None,
    };
    defects.iter().rev().find_map(line_end).unwrap_or(b"\n")
}

fn fields(defects: &[Defect], start: u64) -> Vec<Field> {
    let has = |defect| defects.contains(&Defect::File(defect));
    let mut fields: Vec<_> = Column::ALL.into_iter().map(Field::Column).collect();
    if has(FileDefect::MissingColumn) {
        fields.retain(|field| *field != Field::Column(Column::Clarity));
    }
    if has(FileDefect::RepeatedColumn) {
        fields.push(Field::Column(Column::Carat));
    }
    if has(FileDefect::ExtraColumn) || has(FileDefect::Latin1) {
        fields.push(Field::Shop);
    }
    let has_notes = |defect: &Defect| matches!(defect, Defect::Rows(RowDefect::QuotedNewline, _));
    if has(FileDefect::GzipBomb) || defects.iter().any(has_notes) {
        fields.push(Field::Note);
    }
    if has(FileDefect::ShuffledColumns) {
        shuffle(&mut fields, start);
    }
    if has(FileDefect::IndexColumn) {
        fields.insert(0, Field::Index);
    }
    fields
}

/// Fisher and Yates.
fn shuffle(fields: &mut [Field], start: u64) {
    for last in (1..fields.len()).rev() {
        let chosen = mixed(!start, last as u64) % (last as u64 + 1);
        fields.swap(last, chosen as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(defects: &[FileDefect]) -> String {
        let defects: Vec<_> = defects.iter().copied().map(Defect::File).collect();
        let mut out = Vec::new();
        Layout::of(&defects, 7).write_header(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_header_names_the_columns_in_its_dialect() {
        assert_eq!(header(&[]), "carat,cut,color,clarity,depth,table,price,x,y,z\n");
        let odd = [
            FileDefect::Quoted,
            FileDefect::Semicolon,
            FileDefect::Crlf,
            FileDefect::UpperCaseHeader,
            FileDefect::IndexColumn,
            FileDefect::MissingColumn,
            FileDefect::RepeatedColumn,
        ];
        assert_eq!(
            header(&odd),
            "\"\";\"CARAT\";\"CUT\";\"COLOR\";\"DEPTH\";\"TABLE\";\"PRICE\";\"X\";\"Y\";\"Z\";\"CARAT\"\r\n"
        );
    }

    #[test]
    fn shuffled_columns_are_all_there() {
        let shuffled = header(&[FileDefect::ShuffledColumns]);
        assert_ne!(shuffled, header(&[]));
        let sorted = |text: &str| {
            let mut names: Vec<_> = text.trim().split(',').map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(sorted(&shuffled), sorted(&header(&[])));
    }
}
