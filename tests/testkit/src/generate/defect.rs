//! What can be wrong with a file.

use std::str::FromStr;

use clap::ValueEnum;
use domain::row::{Column, Fault, Problem};

/// The share of rows that a row defect strikes when none is said.
const USUAL_SHARE: f64 = 0.01;

/// What can be wrong, or unusual, with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum RowDefect {
    /// a price below zero
    NegativePrice,
    /// a length of zero
    ZeroX,
    /// no carat
    MissingCarat,
    /// a word where the depth should be
    TextNumber,
    /// a cut that is no grade
    UnknownCut,
    /// a height that is not a number
    Nan,
    /// an infinite table
    Infinite,
    /// a depth above 100 %
    #[value(name = "depth-above-100")]
    DepthAbove100,
    /// the last field is missing
    ShortRow,
    /// one field too many
    LongRow,
    /// NUL and bytes that are no UTF-8 in place of the cut
    #[value(name = "not-utf8-binary")]
    NotUtf8Binary,
    /// no fault: the ignored column `note` has a line break in quotes
    QuotedNewline,
    /// no fault: repeats an earlier good row
    Repeated,
}

/// What can be wrong, or unusual, with a file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum FileDefect {
    /// begins with a byte order mark
    Bom,
    /// lines end in CR LF
    Crlf,
    /// lines end in CR
    Cr,
    /// `;` between values
    Semicolon,
    /// a tab between values
    Tab,
    /// column names in capitals
    UpperCaseHeader,
    /// quotes around every value
    Quoted,
    /// an index without a name as first column
    IndexColumn,
    /// a column `shop` that nobody asked for, with an é in it
    ExtraColumn,
    /// blanks around every value
    Blanks,
    /// numbers such as 1.10e0
    Exponents,
    /// columns in another order, chosen by the seed
    ShuffledColumns,
    /// UTF-16, little-endian, with its mark
    Utf16,
    /// Latin-1 (or Windows-1252), with an é in a column `shop`
    Latin1,
    /// no header: the first line is a row
    NoHeader,
    /// the column clarity is missing
    MissingColumn,
    /// the column carat stands in the header twice
    RepeatedColumn,
    /// not a byte of text
    Empty,
    /// a header and no rows
    HeaderOnly,
    /// a quote that opens in the first row and never closes
    OpenQuote,
    /// ends in a line of 2 MiB
    EndlessLine,
    /// gzip whose end is missing
    GzipCut,
    /// half a MiB of blanks in an ignored column of every row, as gzip: expands about 1000 times
    GzipBomb,
    /// a picture, whatever its name says
    Png,
    /// a ZIP archive with the file in it
    Zip,
}

/// A defect to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Defect {
    /// Of this share of the rows, from 0 to 1.
    Rows(RowDefect, f64),
    /// Of the file.
    File(FileDefect),
}

/// A text that is no defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownDefect {
    /// There is no defect of this name.
    #[error("there is no defect {0:?}; `--help` lists them")]
    Name(String),
    /// The share is not one.
    #[error("{0:?} is not a share; use a number from 0 to 1")]
    Share(String),
    /// A defect of the file has no share.
    #[error("{0} is a defect of the whole file and takes no share")]
    NoShare(String),
}

impl RowDefect {
    /// Strikes this share of the rows; 0 when below 0 and 1 when above 1.
    #[must_use]
    pub fn in_share(self, share: f64) -> Defect {
        Defect::Rows(self, share.clamp(0.0, 1.0))
    }

    /// Why such a row is rejected; none where it is as good as any.
    #[must_use]
    pub fn fault(self) -> Option<Fault> {
        let (column, problem) = match self {
            Self::NegativePrice => (Column::Price, Problem::NotPositive),
            Self::ZeroX => (Column::X, Problem::NotPositive),
            Self::MissingCarat => (Column::Carat, Problem::Missing),
            Self::TextNumber => (Column::Depth, Problem::NotANumber),
            Self::UnknownCut => (Column::Cut, Problem::UnknownGrade),
            Self::Nan => (Column::Z, Problem::NotFinite),
            Self::Infinite => (Column::Table, Problem::NotFinite),
            Self::DepthAbove100 => (Column::Depth, Problem::AboveHundred),
            Self::ShortRow | Self::LongRow => return Some(Fault::FieldCount),
            Self::NotUtf8Binary => return Some(Fault::NotUtf8),
            Self::QuotedNewline | Self::Repeated => return None,
        };
        Some(Fault::Value(column, problem))
    }

    /// What stands in a column instead of its value.
    pub(super) fn text(self) -> Option<(Column, &'static [u8])> {
        match self {
            Self::NegativePrice => Some((Column::Price, b"-350")),
            Self::ZeroX => Some((Column::X, b"0.00")),
            Self::MissingCarat => Some((Column::Carat, b"")),
            Self::TextNumber => Some((Column::Depth, b"deep")),
            Self::UnknownCut => Some((Column::Cut, b"Superb")),
            Self::Nan => Some((Column::Z, b"NaN")),
            Self::Infinite => Some((Column::Table, b"inf")),
            Self::DepthAbove100 => Some((Column::Depth, b"161.8")),
            Self::NotUtf8Binary => Some((Column::Cut, b"\0\x01\xff\xfe\x80\0")),
            Self::ShortRow | Self::LongRow | Self::QuotedNewline | Self::Repeated => None,
        }
    }
}

impl From<FileDefect> for Defect {
    fn from(defect: FileDefect) -> Self {
        Self::File(defect)
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    /// Parses `KIND` or, for a defect of rows, `KIND=SHARE`.
    fn from_str(text: &str) -> Result<Self, UnknownDefect> {
        let (name, share) = text
            .split_once('=')
            .map_or((text, None), |(name, share)| (name, Some(share)));
        if let Ok(defect) = FileDefect::from_str(name, false) {
            return match share {
                Some(_) => Err(UnknownDefect::NoShare(name.to_owned())),
                None => Ok(Self::File(defect)),
            };
        }
        let defect = RowDefect::from_str(name, false).map_err(|_| UnknownDefect::Name(name.to_owned()))?;
        Ok(defect.in_share(share.map_or(Ok(USUAL_SHARE), parse_share)?))
    }
}

fn parse_share(text: &str) -> Result<f64, UnknownDefect> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| UnknownDefect::Share(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defects_are_read_with_and_without_a_share() {
        assert_eq!("zero-x=0.2".parse(), Ok(Defect::Rows(RowDefect::ZeroX, 0.2)));
        assert_eq!(
            "depth-above-100".parse(),
            Ok(Defect::Rows(RowDefect::DepthAbove100, USUAL_SHARE))
        );
        assert_eq!("utf16".parse(), Ok(Defect::File(FileDefect::Utf16)));
    }

    #[test]
    fn a_wrong_defect_says_what_is_wrong() {
        let error = |text: &str| text.parse::<Defect>().unwrap_err().to_string();
        assert!(error("rusty").contains("no defect \"rusty\""));
        assert!(error("nan=2").contains("from 0 to 1"));
        assert!(error("bom=0.5").contains("takes no share"));
    }
}
