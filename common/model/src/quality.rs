//! What the three graded qualities have in common.

use std::fmt;

use domain::{Clarity, Color, Cut, Diamond};
use serde::{Serialize, de::DeserializeOwned};

/// A graded quality of a diamond.
pub(crate) trait Quality: Copy + Ord + fmt::Display + Serialize + DeserializeOwned + 'static {
    /// Its name: `cut`, `color` or `clarity`.
    const NAME: &'static str;
    /// Every grade, worst first.
    const ALL: &'static [Self];

    /// Position of the grade from worst (0) to best.
    fn rank(self) -> usize;

    /// The grade as data files write it.
    fn name(self) -> &'static str;

    /// The grade that `diamond` has.
    fn of(diamond: &Diamond) -> Self;
}

impl Quality for Cut {
    const NAME: &'static str = "cut";
    const ALL: &'static [Self] = Self::ALL;

    fn rank(self) -> usize {
        self.rank()
    }

    fn name(self) -> &'static str {
        self.name()
    }

    fn of(diamond: &Diamond) -> Self {
        diamond.cut
    }
}

impl Quality for Color {
    const NAME: &'static str = "color";
    const ALL: &'static [Self] = Self::ALL;

    fn rank(self) -> usize {
        self.rank()
    }

    fn name(self) -> &'static str {
        self.name()
    }

    fn of(diamond: &Diamond) -> Self {
        diamond.color
    }
}

impl Quality for Clarity {
    const NAME: &'static str = "clarity";
    const ALL: &'static [Self] = Self::ALL;

    fn rank(self) -> usize {
        self.rank()
    }

    fn name(self) -> &'static str {
        self.name()
    }

    fn of(diamond: &Diamond) -> Self {
        diamond.clarity
    }
}
