//! The features of a diamond as one row of numbers.

use domain::PartialDiamond;

/// The features in the order of a row.
pub(crate) const NAMES: [&str; 9] = [
    "carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z",
];

/// The features of `diamond`: carats, grades by rank from worst (0), percents, millimeters; NaN where missing.
pub(crate) fn row(diamond: &PartialDiamond) -> [f32; 9] {
    let number = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
    [
        diamond.carat.get() as f32,
        diamond.cut.rank() as f32,
        diamond.color.rank() as f32,
        diamond.clarity.rank() as f32,
        number(diamond.depth.map(|depth| depth.get())),
        number(diamond.table.map(|table| table.get())),
        number(diamond.x.map(|x| x.get())),
        number(diamond.y.map(|y| y.get())),
        number(diamond.z.map(|z| z.get())),
    ]
}
