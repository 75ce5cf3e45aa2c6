//! Whole numbers that name things, counted from 1 without gaps.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};

/// A stored number that is no version: zero, negative, or too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a version; versions count from 1")]
pub struct NotAVersion(i64);

macro_rules! version {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(u32);

        impl $name {
            /// The first there is.
            pub const FIRST: Self = Self(1);

            /// The one after this.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// The number itself.
            #[must_use]
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = NotAVersion;

            fn try_from(number: i64) -> Result<Self, NotAVersion> {
                match u32::try_from(number) {
                    Ok(version) if version > 0 => Ok(Self(version)),
                    _ => Err(NotAVersion(number)),
                }
            }
        }

        impl From<$name> for i64 {
            fn from(version: $name) -> i64 {
                i64::from(version.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse::<std::num::NonZeroU32>().map(|number| Self(number.get()))
            }
        }
    };
}

version!(
    /// Names what the dataset held at one moment: every sample of the data files accepted and
    /// not withdrawn up to it. It never changes.
    DatasetVersion
);
version!(
    /// Names one successful training run's artifact.
    ModelVersion
);
version!(
    /// The place of a promotion in the one sequence of promotions; swaps are ordered by it.
    PromotionNumber
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_negative_numbers_are_no_versions() {
        assert_eq!(ModelVersion::try_from(0), Err(NotAVersion(0)));
        assert_eq!(ModelVersion::try_from(-3), Err(NotAVersion(-3)));
        assert!("0".parse::<ModelVersion>().is_err());
    }
}
