//! Counts per bin, for numbers and for grades.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bits of a double below its sign, its exponent and the first six of its fraction.
const DROPPED_BITS: u32 = 46;

/// The fixed bin of a finite number above 0: 64 of them to each doubling, so each between 0.8 and 1.6 %
/// wide. Greater numbers have greater bins.
pub(super) fn bin(number: f64) -> u32 {
    (number.to_bits() >> DROPPED_BITS) as u32
}

/// How often each bin occurs; bins that do not occur are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Histogram<B: Ord>(BTreeMap<B, u64>);

impl<B: Ord> Default for Histogram<B> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<B: Ord> FromIterator<(B, u64)> for Histogram<B> {
    fn from_iter<I: IntoIterator<Item = (B, u64)>>(counts: I) -> Self {
        Self(counts.into_iter().filter(|(_, count)| *count > 0).collect())
    }
}

impl Histogram<u32> {
    /// The bins of `ascending`, a sample of `rows` numbers, with counts that add up to `rows`.
    pub(super) fn of_sample(ascending: &[f64], rows: u64) -> Self {
        let mut seen = 0;
        let mut counted = 0;
        let bins = ascending.chunk_by(|a, b| bin(*a) == bin(*b)).map(|chunk| {
            seen += chunk.len();
            let upto = (seen as u128 * u128::from(rows) / ascending.len() as u128) as u64;
            let count = upto - counted;
            counted = upto;
            (bin(chunk[0]), count)
        });
        bins.collect()
    }
}

impl<B: Ord + Copy> Histogram<B> {
    /// Each bin that occurs, in ascending order, with its count.
    pub(super) fn iter(&self) -> impl Iterator<Item = (B, u64)> {
        self.0.iter().map(|(bin, count)| (*bin, *count))
    }

    /// How often `bin` occurs.
    pub(super) fn count(&self, bin: B) -> u64 {
        self.0.get(&bin).copied().unwrap_or(0)
    }

    /// All counts together.
    pub(super) fn total(&self) -> u64 {
        self.0.values().copied().fold(0, u64::saturating_add)
    }

    /// Adds the counts of `other`.
    pub(super) fn add(&mut self, other: &Self) {
        for (bin, count) in other.iter() {
            let mine = self.0.entry(bin).or_default();
            *mine = mine.saturating_add(count);
        }
    }

    /// Takes the counts of `other` away, down to 0.
    pub(super) fn remove(&mut self, other: &Self) {
        self.0.retain(|bin, count| {
            *count = count.saturating_sub(other.count(*bin));
            *count > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_doubling_has_sixty_four_bins() {
        assert_eq!(bin(2.0) - bin(1.0), 64);
        assert_eq!(bin(1.0 + 1.0 / 64.0) - bin(1.0), 1);
        assert_eq!(bin(1.015), bin(1.0));
    }

    #[test]
    fn counts_are_scaled_to_the_rows_without_losing_any() {
        let scaled = Histogram::of_sample(&[1.0, 2.0, 2.0], 10);
        assert_eq!(scaled.iter().collect::<Vec<_>>(), [(bin(1.0), 3), (bin(2.0), 7)]);
    }

    proptest! {
        #[test]
        fn greater_numbers_have_greater_bins(a in f64::MIN_POSITIVE..f64::MAX, b in f64::MIN_POSITIVE..f64::MAX) {
            prop_assert!(bin(a.min(b)) <= bin(a.max(b)));
        }

        #[test]
        fn scaled_counts_add_up(
            mut numbers in proptest::collection::vec(1.0..100.0, 1..100), more in 0_u64..u64::MAX / 2
        ) {
            numbers.sort_unstable_by(f64::total_cmp);
            let rows = numbers.len() as u64 + more;
            prop_assert_eq!(Histogram::of_sample(&numbers, rows).total(), rows);
        }
    }
}
