//! The rules for one row of a data file: text in, a [`Sample`] or every fault out.

use std::fmt;

use crate::{Carat, Clarity, Color, Cut, Diamond, Millimeters, OutOfRange, Percent, Price, Sample};

/// A column that every data file must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Weight in carats.
    Carat,
    /// Grade of the cut.
    Cut,
    /// Grade of the color.
    Color,
    /// Grade of the clarity.
    Clarity,
    /// Total depth in percent.
    Depth,
    /// Table in percent.
    Table,
    /// Price in US dollars.
    Price,
    /// Length in millimeters.
    X,
    /// Width in millimeters.
    Y,
    /// Height in millimeters.
    Z,
}

impl Column {
    /// Every column, in the order of [`RawRow`].
    pub const ALL: [Self; 10] = [
        Self::Carat,
        Self::Cut,
        Self::Color,
        Self::Clarity,
        Self::Depth,
        Self::Table,
        Self::Price,
        Self::X,
        Self::Y,
        Self::Z,
    ];

    /// The name in a header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Carat => "carat",
            Self::Cut => "cut",
            Self::Color => "color",
            Self::Clarity => "clarity",
            Self::Depth => "depth",
            Self::Table => "table",
            Self::Price => "price",
            Self::X => "x",
            Self::Y => "y",
            Self::Z => "z",
        }
    }
}

/// The texts of one row, in the order of [`Column::ALL`].
#[derive(Debug, Clone, Copy)]
pub struct RawRow<'a>(pub [&'a str; 10]);

/// The largest plausible values: a row with a larger one holds a slip of the pen, not a diamond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLimits {
    /// In carats.
    pub carat: u32,
    /// In percent.
    pub depth: u32,
    /// In percent.
    pub table: u32,
    /// In US dollars.
    pub price: u32,
    /// Of x, y and z, in millimeters.
    pub length: u32,
}

impl Default for RowLimits {
    /// What the trade knows: the largest polished colorless diamond has 530 carats and is 59 mm long, and hardly any
    /// above 50 carats or 10 million dollars is ever sold; no cut has a depth of more than 90 %.
    fn default() -> Self {
        Self {
            carat: 50,
            depth: 90,
            table: 100,
            price: 10_000_000,
            length: 60,
        }
    }
}

impl RowLimits {
    fn of(&self, column: Column) -> Option<u32> {
        match column {
            Column::Carat => Some(self.carat),
            Column::Depth => Some(self.depth),
            Column::Table => Some(self.table),
            Column::Price => Some(self.price),
            Column::X | Column::Y | Column::Z => Some(self.length),
            Column::Cut | Column::Color | Column::Clarity => None,
        }
    }
}

/// What is wrong with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Problem {
    /// There is no text.
    Missing,
    /// The text is no number.
    NotANumber,
    /// The number is infinite or NaN.
    NotFinite,
    /// The number is zero or negative.
    NotPositive,
    /// The percentage is above 100.
    AboveHundred,
    /// The number is above the largest that is plausible, which is this one.
    AboveLimit(u32),
    /// The text is no grade.
    UnknownGrade,
}

/// Why a row was rejected; the text is the same for every row with the same fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A value is wrong.
    Value(Column, Problem),
    /// The row has another number of fields than the header.
    FieldCount,
    /// The row is not UTF-8 text.
    NotUtf8,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (column, problem) = match self {
            Self::Value(column, problem) => (column, problem),
            Self::FieldCount => return f.write_str("the row has more or fewer fields than the header"),
            Self::NotUtf8 => return f.write_str("the row is not UTF-8 text"),
        };
        let name = column.name();
        match problem {
            Problem::Missing => write!(f, "{name} is missing"),
            Problem::NotANumber => write!(f, "{name} is not a number (decimals are written 1.5)"),
            Problem::NotFinite => write!(f, "{name} must be a finite number"),
            Problem::NotPositive => write!(f, "{name} must be greater than 0"),
            Problem::AboveHundred => write!(f, "{name} must not be greater than 100"),
            Problem::AboveLimit(limit) => write!(f, "{name} must not be greater than {limit}"),
            Problem::UnknownGrade => write!(f, "{name} must be one of {}", grades(*column).join(", ")),
        }
    }
}

fn grades(column: Column) -> &'static [&'static str] {
    match column {
        Column::Cut => Cut::NAMES,
        Column::Color => Color::NAMES,
        Column::Clarity => Clarity::NAMES,
        _ => &[],
    }
}

/// Judges one row by the rules that hold for every sample, however large its values are.
///
/// # Errors
///
/// Every fault the row has, in the order of the columns.
pub fn judge(row: &RawRow<'_>) -> Result<Sample, Vec<Fault>> {
    Judge::new(None).sample(row)
}

/// Judges one row of a data file: as [`judge`], and by the largest plausible values.
///
/// # Errors
///
/// Every fault the row has, in the order of the columns.
pub fn judge_within(row: &RawRow<'_>, limits: &RowLimits) -> Result<Sample, Vec<Fault>> {
    Judge::new(Some(limits)).sample(row)
}

/// Collects the faults of one row.
struct Judge<'a> {
    limits: Option<&'a RowLimits>,
    faults: Vec<Fault>,
}

impl<'a> Judge<'a> {
    fn new(limits: Option<&'a RowLimits>) -> Self {
        Self {
            limits,
            faults: Vec::new(),
        }
    }

    fn sample(mut self, row: &RawRow<'_>) -> Result<Sample, Vec<Fault>> {
        let [carat, cut, color, clarity, depth, table, price, x, y, z] = row.0;
        let carat = self.number::<Carat>(Column::Carat, carat);
        let cut = grade(Column::Cut, Cut::ALL, cut, &mut self.faults);
        let color = grade(Column::Color, Color::ALL, color, &mut self.faults);
        let clarity = grade(Column::Clarity, Clarity::ALL, clarity, &mut self.faults);
        let depth = self.number::<Percent>(Column::Depth, depth);
        let table = self.number::<Percent>(Column::Table, table);
        let price = self.number::<Price>(Column::Price, price);
        let x = self.number::<Millimeters>(Column::X, x);
        let y = self.number::<Millimeters>(Column::Y, y);
        let z = self.number::<Millimeters>(Column::Z, z);
        let sample = || {
            let diamond = Diamond {
                carat: carat?,
                cut: cut?,
                color: color?,
                clarity: clarity?,
                depth: depth?,
                table: table?,
                x: x?,
                y: y?,
                z: z?,
            };
            Some(Sample {
                diamond,
                price: price?,
            })
        };
        sample().ok_or(self.faults)
    }

    fn number<T: TryFrom<f64, Error = OutOfRange>>(&mut self, column: Column, text: &str) -> Option<T> {
        let limit = self.limits.and_then(|limits| limits.of(column));
        number(text, limit)
            .map_err(|problem| self.faults.push(Fault::Value(column, problem)))
            .ok()
    }
}

fn number<T: TryFrom<f64, Error = OutOfRange>>(text: &str, limit: Option<u32>) -> Result<T, Problem> {
    let value = match trimmed(text) {
        "" => return Err(Problem::Missing),
        text => plain_decimal(text)
            .or_else(|| text.parse().ok())
            .ok_or(Problem::NotANumber)?,
    };
    let quantity = T::try_from(value)?;
    match limit {
        Some(limit) if value > f64::from(limit) => Err(Problem::AboveLimit(limit)),
        _ => Ok(quantity),
    }
}

fn grade<T: Copy + std::str::FromStr>(
    column: Column,
    all: &[T],
    text: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let text = trimmed(text);
    // Nearly every row writes a grade just as its name is. Byte by byte, because for texts this short
    // a call of `memcmp` takes longer.
    let is_text = |name: &&str| name.len() == text.len() && name.bytes().eq(text.bytes());
    if let Some(rank) = grades(column).iter().position(is_text) {
        return all.get(rank).copied();
    }
    let problem = if text.is_empty() {
        Problem::Missing
    } else {
        Problem::UnknownGrade
    };
    text.parse()
        .map_err(|_| faults.push(Fault::Value(column, problem)))
        .ok()
}

/// Powers of ten that a double holds exactly.
const TENS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// The number of up to fifteen digits with or without a point, as nearly every value is; none for any other text.
///
/// Digits and power of ten are exact doubles then, and so their quotient is the double nearest to the decimal, the
/// one that [`str::parse`] finds (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990).
fn plain_decimal(text: &str) -> Option<f64> {
    if text.len() > TENS.len() {
        return None;
    }
    let (mut digits, mut places, mut point) = (0_u64, 0, false);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                places += usize::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    let count = text.len() - usize::from(point);
    (1..TENS.len())
        .contains(&count)
        .then(|| digits as f64 / TENS[places])
}

/// The same as [`str::trim`], faster where there is nothing to trim.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        [only] if only.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

impl From<OutOfRange> for Problem {
    fn from(reason: OutOfRange) -> Self {
        match reason {
            OutOfRange::NotFinite => Self::NotFinite,
            OutOfRange::NotPositive => Self::NotPositive,
            OutOfRange::AboveHundred => Self::AboveHundred,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const GOOD: [&str; 10] = [
        "1.1", "Ideal", "H", "SI2", "62.0", "55.0", "4733", "6.61", "6.65", "4.11",
    ];

    fn with(column: Column, text: &str) -> Result<Sample, Vec<Fault>> {
        let mut row = GOOD;
        let position = Column::ALL.iter().position(|c| *c == column).unwrap();
        row[position] = text;
        judge(&RawRow(row))
    }

    #[rstest]
    #[case(Column::Price, "-1", "price must be greater than 0")]
    #[case(Column::X, "0.0", "x must be greater than 0")]
    #[case(Column::Carat, "", "carat is missing")]
    #[case(Column::Carat, "1,1", "carat is not a number (decimals are written 1.5)")]
    #[case(Column::Depth, "100.5", "depth must not be greater than 100")]
    #[case(Column::Table, "inf", "table must be a finite number")]
    #[case(Column::Z, "NaN", "z must be a finite number")]
    #[case(
        Column::Cut,
        "Best",
        "cut must be one of Fair, Good, Very Good, Premium, Ideal"
    )]
    fn a_bad_value_is_named(#[case] column: Column, #[case] text: &str, #[case] reason: &str) {
        let faults = with(column, text).unwrap_err();
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [reason]
        );
    }

    /// F9: a value that no diamond has is a slip, told like every other fault; the largest plausible one is none.
    #[rstest]
    #[case(Column::Price, "1e9", "price must not be greater than 10000000")]
    #[case(Column::Price, "1e300", "price must not be greater than 10000000")]
    #[case(Column::Carat, "50.01", "carat must not be greater than 50")]
    #[case(Column::Depth, "90.1", "depth must not be greater than 90")]
    #[case(Column::Depth, "100.1", "depth must not be greater than 100")]
    #[case(Column::X, "61", "x must not be greater than 60")]
    #[case(Column::Y, "1e5", "y must not be greater than 60")]
    #[case(Column::Z, "411", "z must not be greater than 60")]
    fn a_value_beyond_the_limits_is_named(#[case] column: Column, #[case] text: &str, #[case] reason: &str) {
        let limits = RowLimits::default();
        let row = |text| {
            let mut row = GOOD;
            row[Column::ALL.iter().position(|c| *c == column).unwrap()] = text;
            judge_within(&RawRow(row), &limits)
        };
        let faults = row(text).unwrap_err();
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [reason]
        );
        let largest = limits.of(column).unwrap().to_string();
        assert!(row(&largest).is_ok(), "{largest}");
    }

    #[test]
    fn every_fault_of_a_row_is_told() {
        let mut row = GOOD;
        (row[0], row[6]) = ("x", "0");
        assert_eq!(judge(&RawRow(row)).unwrap_err().len(), 2);
    }

    #[test]
    fn blanks_and_spelling_do_not_matter() {
        assert_eq!(with(Column::Carat, " 1.10 "), judge(&RawRow(GOOD)));
        assert_eq!(with(Column::Carat, "1.1e0"), judge(&RawRow(GOOD)));
    }

    #[test]
    fn every_grade_is_read_as_itself() {
        for (rank, name) in Clarity::NAMES.iter().enumerate() {
            for text in [*name, &name.to_lowercase(), &format!("\u{a0}{name} ")] {
                let sample = with(Column::Clarity, text).unwrap();
                assert_eq!(sample.diamond.clarity, Clarity::ALL[rank]);
            }
        }
    }

    proptest! {
        #[test]
        fn a_plain_decimal_is_the_number_that_is_parsed(text in r"[0-9]{0,9}\.?[0-9]{0,9}|[0-9.eE+-]{0,8}") {
            if let Some(number) = plain_decimal(&text) {
                prop_assert_eq!(Some(number.to_bits()), text.parse::<f64>().ok().map(f64::to_bits));
            }
        }

        #[test]
        fn trimming_fast_is_trimming(text in r"\PC*|[\s.a-z]{0,4}") {
            prop_assert_eq!(trimmed(&text), text.trim());
        }

        #[test]
        fn any_text_is_either_a_sample_or_has_faults(texts in proptest::array::uniform10(".*")) {
            let row = texts.each_ref().map(String::as_str);
            if let Err(faults) = judge(&RawRow(row)) {
                prop_assert!(!faults.is_empty());
            }
        }
    }
}
