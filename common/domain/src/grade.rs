//! The three graded qualities of a diamond, each from worst to best.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A text that is no grade of its quality; its message lists the right ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{quality} {text:?} is not a grade; use one of {}", allowed.join(", "))]
pub struct UnknownGrade {
    /// `cut`, `color` or `clarity`.
    pub quality: &'static str,
    /// What was given, shortened when absurdly long.
    pub text: String,
    /// The grades there are, worst first.
    pub allowed: &'static [&'static str],
}

/// How much of an unknown grade an error repeats.
const SHOWN_CHARS: usize = 40;

macro_rules! grade {
    ($(#[$doc:meta])* $name:ident, $quality:literal, [$($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every grade, worst first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The names of [`Self::ALL`].
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The grade as data files and answers write it.
            #[must_use]
            pub fn name(self) -> &'static str {
                Self::NAMES[self.rank()]
            }

            /// Position from worst (0) to best.
            #[must_use]
            pub fn rank(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownGrade;

            /// Matches exactly, but for blanks around it and upper or lower case.
            fn from_str(text: &str) -> Result<Self, UnknownGrade> {
                let wanted = text.trim();
                Self::ALL
                    .iter()
                    .copied()
                    .find(|grade| grade.name().eq_ignore_ascii_case(wanted))
                    .ok_or_else(|| UnknownGrade {
                        quality: $quality,
                        text: wanted.chars().take(SHOWN_CHARS).collect(),
                        allowed: Self::NAMES,
                    })
            }
        }
    };
}

grade!(
    /// How well the stone was cut.
    Cut,
    "cut",
    [
        /// The lowest grade.
        Fair = "Fair",
        /// Above fair.
        Good = "Good",
        /// Above good.
        VeryGood = "Very Good",
        /// Above very good.
        Premium = "Premium",
        /// The highest grade.
        Ideal = "Ideal",
    ]
);

grade!(
    /// How colorless the stone is.
    Color,
    "color",
    [
        /// The most tinted grade here.
        J = "J",
        /// Better than J.
        I = "I",
        /// Better than I.
        H = "H",
        /// Better than H.
        G = "G",
        /// Better than G.
        F = "F",
        /// Better than F.
        E = "E",
        /// Colorless.
        D = "D",
    ]
);

grade!(
    /// How free of inclusions the stone is.
    Clarity,
    "clarity",
    [
        /// Included.
        I1 = "I1",
        /// Slightly included, second degree.
        SI2 = "SI2",
        /// Slightly included, first degree.
        SI1 = "SI1",
        /// Very slightly included, second degree.
        VS2 = "VS2",
        /// Very slightly included, first degree.
        VS1 = "VS1",
        /// Very, very slightly included, second degree.
        VVS2 = "VVS2",
        /// Very, very slightly included, first degree.
        VVS1 = "VVS1",
        /// Internally flawless.
        IF = "IF",
    ]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_is_found_through_blanks_and_case() {
        assert_eq!(" very good".parse(), Ok(Cut::VeryGood));
        assert_eq!("vvs1 ".parse(), Ok(Clarity::VVS1));
    }

    #[test]
    fn an_unknown_grade_lists_the_right_ones() {
        let error = "ideal plus".parse::<Cut>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"cut "ideal plus" is not a grade; use one of Fair, Good, Very Good, Premium, Ideal"#
        );
    }

    #[test]
    fn every_name_parses_to_its_own_grade() {
        for &color in Color::ALL {
            assert_eq!(color.name().parse(), Ok(color));
        }
    }
}
