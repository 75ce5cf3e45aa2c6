//! Diamonds and samples.

use crate::{Carat, Clarity, Color, Cut, Millimeters, Percent, Price};

/// A diamond of which everything is known: the features without the price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diamond {
    /// Weight in carats.
    pub carat: Carat,
    /// Grade of the cut.
    pub cut: Cut,
    /// Grade of the color.
    pub color: Color,
    /// Grade of the clarity.
    pub clarity: Clarity,
    /// Total depth: height over mean diameter, in percent.
    pub depth: Percent,
    /// Width of the top facet over the widest point, in percent.
    pub table: Percent,
    /// Length in millimeters.
    pub x: Millimeters,
    /// Width in millimeters.
    pub y: Millimeters,
    /// Height in millimeters.
    pub z: Millimeters,
}

/// A diamond as somebody describes it: weight and grades, and whichever measures are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartialDiamond {
    /// Weight in carats.
    pub carat: Carat,
    /// Grade of the cut.
    pub cut: Cut,
    /// Grade of the color.
    pub color: Color,
    /// Grade of the clarity.
    pub clarity: Clarity,
    /// Total depth in percent.
    pub depth: Option<Percent>,
    /// Table in percent.
    pub table: Option<Percent>,
    /// Length in millimeters.
    pub x: Option<Millimeters>,
    /// Width in millimeters.
    pub y: Option<Millimeters>,
    /// Height in millimeters.
    pub z: Option<Millimeters>,
}

impl PartialDiamond {
    /// The same diamond with its weight and grades only, as most people describe it.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self {
            depth: None,
            table: None,
            x: None,
            y: None,
            z: None,
            ..*self
        }
    }

    /// Which of depth, table, x, y and z are known.
    #[must_use]
    pub fn measures(&self) -> [bool; 5] {
        let lengths = [self.x, self.y, self.z].map(|length| length.is_some());
        [
            self.depth.is_some(),
            self.table.is_some(),
            lengths[0],
            lengths[1],
            lengths[2],
        ]
    }
}

impl From<Diamond> for PartialDiamond {
    fn from(diamond: Diamond) -> Self {
        Self {
            carat: diamond.carat,
            cut: diamond.cut,
            color: diamond.color,
            clarity: diamond.clarity,
            depth: Some(diamond.depth),
            table: Some(diamond.table),
            x: Some(diamond.x),
            y: Some(diamond.y),
            z: Some(diamond.z),
        }
    }
}

/// A diamond with its price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The features.
    pub diamond: Diamond,
    /// What it sold for, in US dollars.
    pub price: Price,
}
