//! A diamond as the row of numbers that boosted trees learn from and walk by.

use domain::{Millimeters, PartialDiamond, Percent};

/// The features' names, in the order of a row.
pub(crate) const NAMES: [&str; 9] = [
    "carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z",
];

/// The row of `diamond`: grades by rank from worst (0), NaN where a measure is missing.
pub(crate) fn row(diamond: &PartialDiamond) -> [f32; 9] {
    let percent = |percent: Option<Percent>| percent.map_or(f32::NAN, |percent| percent.get() as f32);
    let length = |length: Option<Millimeters>| length.map_or(f32::NAN, |length| length.get() as f32);
    [
        diamond.carat.get() as f32,
        diamond.cut.rank() as f32,
        diamond.color.rank() as f32,
        diamond.clarity.rank() as f32,
        percent(diamond.depth),
        percent(diamond.table),
        length(diamond.x),
        length(diamond.y),
        length(diamond.z),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_row_holds_measures_and_ranks() {
        let row = row(&fixture::partial_diamond());
        assert_eq!(row, [1.1, 4.0, 2.0, 1.0, 62.0, 55.0, 6.61, 6.65, 4.11]);
    }

    #[test]
    fn what_is_missing_is_no_number() {
        let row = row(&PartialDiamond {
            table: None,
            z: None,
            ..fixture::partial_diamond()
        });
        let missing = NAMES.iter().zip(row).filter(|(_, value)| value.is_nan());
        assert_eq!(missing.map(|(name, _)| *name).collect::<Vec<_>>(), ["table", "z"]);
    }
}
