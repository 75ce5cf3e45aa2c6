//! The text of a file, streamed.

use std::io::{self, Write};

use super::{
    chance::{evenly, mixed},
    defect::{Defect, FileDefect, RowDefect},
    diamonds::Diamonds,
    layout::Layout,
    row::Row,
    shift::Shift,
    size::Size,
    stone::Stone,
};

/// Text is handed on in pieces of about so many bytes.
const PIECE: usize = 128 * 1024;
/// The length of an endless line.
const ENDLESS: usize = 2 * 1024 * 1024;
/// How often an earlier good row is looked for.
const TRIES: u64 = 16;

/// A row that a defect struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// The line it begins in, counted from 1, the header included; line breaks in quotes count.
    pub line: u64,
    /// What was done to it. [`RowDefect::fault`] says what a reader must find.
    pub defect: RowDefect,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows, the header not counted.
    pub rows: u64,
    /// Bytes of text, before compression or UTF-16.
    pub bytes: u64,
}

/// A file being written.
struct Text<'a> {
    layout: Layout,
    bands: Vec<(u64, RowDefect)>,
    shifts: &'a [Shift],
    start: u64,
    wide: bool,
    buffer: Vec<u8>,
    written: Written,
    line: u64,
    out: &'a mut dyn Write,
}

/// Writes the text of a file, and tells of every row that a defect struck.
pub(super) fn write(
    diamonds: &Diamonds,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(Expectation),
) -> io::Result<Written> {
    let mut text = Text::begin(diamonds, out);
    let size = if diamonds.has(FileDefect::Empty) || diamonds.has(FileDefect::HeaderOnly) {
        Size::Rows(0)
    } else {
        diamonds.size
    };
    while !text.reaches(size) {
        text.write_row(tell);
        if text.buffer.len() >= PIECE {
            text.hand_on()?;
        }
    }
    if diamonds.has(FileDefect::EndlessLine) {
        text.buffer.resize(text.buffer.len() + ENDLESS, b'9');
    }
    text.hand_on()?;
    Ok(text.written)
}

impl<'a> Text<'a> {
    fn begin(diamonds: &'a Diamonds, out: &'a mut dyn Write) -> Self {
        let start = mixed(diamonds.seed, 0);
        let wide = diamonds.has(FileDefect::Utf16);
        let mut buffer = Vec::with_capacity(PIECE + 1024);
        if diamonds.has(FileDefect::Bom) && !wide {
            buffer.extend("\u{feff}".bytes());
        }
        let layout = Layout::of(&diamonds.defects, start);
        let has_header = !diamonds.has(FileDefect::Empty) && !diamonds.has(FileDefect::NoHeader);
        if has_header {
            layout.write_header(&mut buffer);
        }
        if diamonds.has(FileDefect::OpenQuote) {
            buffer.push(b'"');
        }
        Self {
            layout,
            bands: bands(&diamonds.defects),
            shifts: &diamonds.shifts,
            start,
            wide,
            buffer,
            written: Written::default(),
            line: 1 + u64::from(has_header),
            out,
        }
    }

    fn reaches(&self, size: Size) -> bool {
        match size {
            Size::Rows(rows) => self.written.rows >= rows,
            Size::Bytes(bytes) => self.written.bytes + self.buffer.len() as u64 >= bytes,
        }
    }

    fn write_row(&mut self, tell: &mut dyn FnMut(Expectation)) {
        let row = self.row(self.written.rows);
        row.write(&self.layout, &mut self.buffer);
        if let Some(defect) = row.defect {
            let line = self.line;
            tell(Expectation { line, defect });
        }
        self.written.rows += 1;
        self.line += 1 + u64::from(row.defect == Some(RowDefect::QuotedNewline));
    }

    fn row(&self, number: u64) -> Row {
        let (source, defect) = match self.defect(number) {
            Some(RowDefect::Repeated) => match self.earlier(number) {
                Some(earlier) => (earlier, Some(RowDefect::Repeated)),
                None => (number, None),
            },
            defect => (number, defect),
        };
        let mut stone = Stone::of(self.start, source);
        for shift in self.shifts {
            shift.apply(&mut stone);
        }
        Row {
            number,
            stone,
            defect,
        }
    }

    fn defect(&self, number: u64) -> Option<RowDefect> {
        // One bit less than all, so that the end of the last band can be 2⁶³.
        let place = evenly(!self.start, number) >> 1;
        let band = self.bands.iter().find(|(end, _)| place < *end);
        band.map(|(_, defect)| *defect)
    }

    /// Some row before this one that no defect strikes.
    fn earlier(&self, number: u64) -> Option<u64> {
        let guess = |n| mixed(!self.start, number.wrapping_mul(TRIES).wrapping_add(n)).checked_rem(number);
        (0..TRIES)
            .filter_map(guess)
            .find(|earlier| self.defect(*earlier).is_none())
    }

    fn hand_on(&mut self) -> io::Result<()> {
        if self.wide {
            self.out
                .write_all(&utf16(&self.buffer, self.written.bytes == 0))?;
        } else {
            self.out.write_all(&self.buffer)?;
        }
        self.written.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Where each defect's part of the rows ends, in 2⁻⁶³.
fn bands(defects: &[Defect]) -> Vec<(u64, RowDefect)> {
    let mut end = 0.0;
    let mut bands = Vec::new();
    for defect in defects {
        if let Defect::Rows(defect, share) = defect {
            end = f64::min(end + share, 1.0);
            bands.push(((end * (1_u64 << 63) as f64) as u64, *defect));
        }
    }
    bands
}

/// Every letter here is one of Latin-1, and so a UTF-16 unit of its own.
fn utf16(text: &[u8], is_begin: bool) -> Vec<u8> {
    let mark: &[u8] = if is_begin { b"\xff\xfe" } else { b"" };
    let units = text.iter().flat_map(|letter| [*letter, 0]);
    mark.iter().copied().chain(units).collect()
}
