//! Measured quantities: finite, within their range, with their unit in the name of the type.

use serde::{Deserialize, Serialize};

/// A number that its quantity cannot have.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum OutOfRange {
    /// Infinite, or not a number.
    #[error("must be a finite number")]
    NotFinite,
    /// Zero or below.
    #[error("must be greater than 0")]
    NotPositive,
    /// Above 100, for a percentage.
    #[error("must not be greater than 100")]
    AboveHundred,
}

fn positive(value: f64) -> Result<f64, OutOfRange> {
    if !value.is_finite() {
        return Err(OutOfRange::NotFinite);
    }
    if value <= 0.0 {
        return Err(OutOfRange::NotPositive);
    }
    Ok(value)
}

fn percentage(value: f64) -> Result<f64, OutOfRange> {
    let value = positive(value)?;
    if value > 100.0 {
        return Err(OutOfRange::AboveHundred);
    }
    Ok(value)
}

/// Weight in carats (0.2 g each); finite and above 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Carat(f64);

/// A length in millimeters; finite and above 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Millimeters(f64);

/// A proportion in percent, within (0, 100].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(f64);

/// An amount in US dollars; finite and above 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Price(f64);

macro_rules! quantity {
    ($name:ident, $check:ident) => {
        impl $name {
            /// The number itself.
            #[must_use]
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = OutOfRange;

            fn try_from(value: f64) -> Result<Self, OutOfRange> {
                $check(value).map(Self)
            }
        }

        impl From<$name> for f64 {
            fn from(quantity: $name) -> f64 {
                quantity.0
            }
        }
    };
}

quantity!(Carat, positive);
quantity!(Millimeters, positive);
quantity!(Percent, percentage);
quantity!(Price, positive);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, OutOfRange::NotPositive)]
    #[case(-0.0, OutOfRange::NotPositive)]
    #[case(-1.0, OutOfRange::NotPositive)]
    #[case(f64::NAN, OutOfRange::NotFinite)]
    #[case(f64::INFINITY, OutOfRange::NotFinite)]
    fn a_carat_is_positive_and_finite(#[case] value: f64, #[case] reason: OutOfRange) {
        assert_eq!(Carat::try_from(value), Err(reason));
    }

    #[test]
    fn a_percentage_ends_at_one_hundred() {
        assert!(Percent::try_from(100.0).is_ok());
        assert_eq!(Percent::try_from(100.1), Err(OutOfRange::AboveHundred));
    }
}
