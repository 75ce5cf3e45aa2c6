//! The description of a file to write.

use std::io::{self, Write};

use super::{
    container,
    defect::{Defect, FileDefect},
    file::{Expectation, Written},
    shift::Shift,
    size::Size,
};

/// How a file is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// plain text
    #[default]
    Csv,
    /// the same, packed with gzip
    #[value(name = "csv.gz")]
    CsvGz,
}

/// A file of diamonds: the same text for the same description, on every machine.
///
/// Packed files hold the same text too; their own bytes are those of the gzip library at hand. Where two defects
/// contradict each other (`semicolon` and `tab`), the one named last wins. Row defects strike different rows; when
/// their shares sum up to more than 1, the last ones get less.
#[derive(Debug, Clone)]
pub struct Diamonds {
    pub(super) size: Size,
    pub(super) seed: u64,
    pub(super) format: Format,
    pub(super) defects: Vec<Defect>,
    pub(super) shifts: Vec<Shift>,
}

impl Diamonds {
    /// So many valid rows, chosen by `seed`.
    #[must_use]
    pub fn new(rows: u64, seed: u64) -> Self {
        Self::sized(Size::Rows(rows), seed)
    }

    /// As many valid rows as `size` asks for, chosen by `seed`.
    #[must_use]
    pub fn sized(size: Size, seed: u64) -> Self {
        Self {
            size,
            seed,
            format: Format::default(),
            defects: Vec::new(),
            shifts: Vec::new(),
        }
    }

    /// Packs the file so.
    #[must_use]
    pub fn packed(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Makes a defect. One of a share of the rows strikes that share of any thousand rows, give or take a few.
    #[must_use]
    pub fn with(mut self, defect: impl Into<Defect>) -> Self {
        self.defects.push(defect.into());
        self
    }

    /// Multiplies a column in every row, as drift would.
    #[must_use]
    pub fn shifted(mut self, shift: Shift) -> Self {
        self.shifts.push(shift);
        self
    }

    /// Writes the file, in pieces; memory stays constant, however long it is.
    ///
    /// # Errors
    ///
    /// What `out` says against it.
    pub fn write_to(&self, out: impl Write) -> io::Result<Written> {
        self.write_and_tell(out, |_| {})
    }

    /// Writes the file, and tells of every row that a defect struck, line by line.
    ///
    /// # Errors
    ///
    /// What `out` says against it.
    pub fn write_and_tell(
        &self,
        mut out: impl Write,
        mut tell: impl FnMut(Expectation),
    ) -> io::Result<Written> {
        container::write(self, &mut out, &mut tell)
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes_with_expectations().0
    }

    /// The file, and every row that a defect struck.
    #[must_use]
    pub fn to_bytes_with_expectations(&self) -> (Vec<u8>, Vec<Expectation>) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        // Writing into memory cannot fail.
        let _ = self.write_and_tell(&mut bytes, |expectation| expected.push(expectation));
        (bytes, expected)
    }

    pub(super) fn has(&self, defect: FileDefect) -> bool {
        self.defects.contains(&Defect::File(defect))
    }
}
