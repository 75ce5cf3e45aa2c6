//! Drift: one feature multiplied in every row.

use std::str::FromStr;

use domain::row::Column;

use super::stone::Stone;

/// Multiplies one measured column in every row. The others stay, so a shifted carat keeps its old price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    column: Column,
    thousandths: u32,
}

/// A text that is no shift.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadShift {
    /// There is no `=` in it.
    #[error("{0:?} is not a shift; write it like price=3 or carat=1.25")]
    Form(String),
    /// No number can be multiplied there.
    #[error("{0:?} is not a measured column; use one of carat, depth, table, price, x, y, z")]
    Column(String),
    /// The factor is no number, or one too small or too large.
    #[error("{0:?} is not a factor; use a number from 0.001 to 1000")]
    Factor(String),
}

impl Shift {
    /// Multiplies `column` by `factor`, which is rounded to thousandths and kept between 0.001 and 1000.
    /// Grades cannot be multiplied and stay as they are.
    #[must_use]
    pub fn new(column: Column, factor: f64) -> Self {
        Self {
            column,
            thousandths: (factor * 1000.0).round().clamp(1.0, 1e6) as u32,
        }
    }

    pub(super) fn apply(self, stone: &mut Stone) {
        let value = &mut stone.0[self.column as usize];
        if is_measured(self.column) {
            let shifted = (u64::from(*value) * u64::from(self.thousandths) + 500) / 1000;
            *value = u32::try_from(shifted).unwrap_or(u32::MAX).max(1);
        }
    }
}

impl FromStr for Shift {
    type Err = BadShift;

    fn from_str(text: &str) -> Result<Self, BadShift> {
        let (name, factor) = text
            .split_once('=')
            .ok_or_else(|| BadShift::Form(text.to_owned()))?;
        let column = Column::ALL
            .into_iter()
            .find(|column| is_measured(*column) && column.name() == name)
            .ok_or_else(|| BadShift::Column(name.to_owned()))?;
        let parsed = factor
            .parse()
            .ok()
            .filter(|factor| (0.001..=1000.0).contains(factor));
        let factor = parsed.ok_or_else(|| BadShift::Factor(factor.to_owned()))?;
        Ok(Self::new(column, factor))
    }
}

fn is_measured(column: Column) -> bool {
    !matches!(column, Column::Cut | Column::Color | Column::Clarity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_multiplies_its_column_alone() {
        let plain = Stone::of(7, 0);
        let mut shifted = plain;
        Shift::new(Column::Price, 3.0).apply(&mut shifted);
        assert_eq!(shifted.value(Column::Price), 3 * plain.value(Column::Price));
        assert_eq!(shifted.value(Column::Carat), plain.value(Column::Carat));
    }

    #[test]
    fn a_wrong_shift_says_what_is_wrong() {
        let error = |text: &str| text.parse::<Shift>().unwrap_err().to_string();
        assert!(error("price").contains("price=3"));
        assert!(error("cut=2").contains("measured column"));
        assert!(error("price=NaN").contains("0.001 to 1000"));
    }
}
