//! How much to write.

use std::str::FromStr;

/// When a file is long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// With so many rows, the header not counted.
    Rows(u64),
    /// With the row whose end is at or behind so many bytes of text: before compression or UTF-16.
    Bytes(u64),
}

/// A text that is no number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size; write it like 500000, 64KiB, 10MB or 1.5GB")]
pub struct BadSize(String);

const UNITS: [(&str, u64); 7] = [
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("b", 1),
];

impl FromStr for Size {
    type Err = BadSize;

    /// Parses a number of bytes, such as `1GB` (10⁹ bytes) or `1GiB` (2³⁰ bytes).
    fn from_str(text: &str) -> Result<Self, BadSize> {
        bytes(&text.trim().to_lowercase())
            .map(Self::Bytes)
            .ok_or_else(|| BadSize(text.to_owned()))
    }
}

fn bytes(text: &str) -> Option<u64> {
    let stripped = |(ending, unit): (&str, u64)| Some((text.strip_suffix(ending)?, unit));
    let (number, unit) = UNITS.into_iter().find_map(stripped).unwrap_or((text, 1));
    let (whole, fraction) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let tenths: u64 = fraction.parse().ok()?;
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    whole.checked_add(tenths.checked_mul(unit)? / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("500", 500),
            ("64KiB", 65_536),
            ("10 MB", 10_000_000),
            ("1.5gb", 1_500_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Size::Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_size() {
        for text in ["", "GB", "-1", "1TB?", "1.x", "99999999999GB", "."] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
