//! The ten features that a profile describes, and a place for something of each.

use serde::{Deserialize, Serialize};

use crate::Sample;

/// How many features are numbers.
pub const NUMBERS: usize = 7;

/// The names of the numeric features, in the order of [`Numbers`].
pub const NUMBER_NAMES: [&str; NUMBERS] = ["carat", "depth", "table", "price", "x", "y", "z"];

/// The names of the graded features.
pub const GRADE_NAMES: [&str; 3] = ["cut", "color", "clarity"];

/// The numeric features of `sample`, all finite and above 0: carats, percent, percent, US dollars and
/// three times millimeters, in the order of [`NUMBER_NAMES`].
pub(super) fn numbers_of(sample: &Sample) -> [f64; NUMBERS] {
    let diamond = &sample.diamond;
    [
        diamond.carat.get(),
        diamond.depth.get(),
        diamond.table.get(),
        sample.price.get(),
        diamond.x.get(),
        diamond.y.get(),
        diamond.z.get(),
    ]
}

/// One thing of each numeric feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Numbers<T> {
    /// Of the weight, in carats.
    pub carat: T,
    /// Of the total depth, in percent.
    pub depth: T,
    /// Of the table, in percent.
    pub table: T,
    /// Of the price, in US dollars.
    pub price: T,
    /// Of the length, in millimeters.
    pub x: T,
    /// Of the width, in millimeters.
    pub y: T,
    /// Of the height, in millimeters.
    pub z: T,
}

impl<T> Numbers<T> {
    /// All of them, in the order of [`NUMBER_NAMES`].
    pub fn each(&self) -> [&T; NUMBERS] {
        [
            &self.carat,
            &self.depth,
            &self.table,
            &self.price,
            &self.x,
            &self.y,
            &self.z,
        ]
    }

    /// All of them to change, in the order of [`NUMBER_NAMES`].
    pub(super) fn each_mut(&mut self) -> [&mut T; NUMBERS] {
        [
            &mut self.carat,
            &mut self.depth,
            &mut self.table,
            &mut self.price,
            &mut self.x,
            &mut self.y,
            &mut self.z,
        ]
    }
}

impl<T> From<[T; NUMBERS]> for Numbers<T> {
    /// Takes them in the order of [`NUMBER_NAMES`].
    fn from([carat, depth, table, price, x, y, z]: [T; NUMBERS]) -> Self {
        Self {
            carat,
            depth,
            table,
            price,
            x,
            y,
            z,
        }
    }
}

/// One thing of each graded feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grades<T> {
    /// Of the cut.
    pub cut: T,
    /// Of the color.
    pub color: T,
    /// Of the clarity.
    pub clarity: T,
}

impl<T> Grades<T> {
    /// All of them, in the order of [`GRADE_NAMES`].
    pub fn each(&self) -> [&T; 3] {
        [&self.cut, &self.color, &self.clarity]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_values_and_fields_are_in_one_order() {
        let numbers = Numbers::from(NUMBER_NAMES);
        let written = json!(numbers);
        for (name, value) in NUMBER_NAMES.into_iter().zip(numbers.each()) {
            assert_eq!(written[name], json!(value));
        }
    }
}
