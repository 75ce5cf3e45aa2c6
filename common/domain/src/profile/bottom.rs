//! The samples with the smallest hashes: a random sample that no order can change.

use super::feature::NUMBERS;
use crate::SampleHash;

/// Keeps the `size` samples with the smallest hashes ("bottom-k": Cohen & Kaplan, "Summarizing data
/// using bottom-k sketches", PODC 2007).
///
/// A hash is as good as a random number, and it belongs to the sample's content. So this is a random
/// sample of all that was offered, and the same one in whatever order and blocks that came.
/// It holds at most twice `size` entries of 80 bytes.
#[derive(Debug)]
pub(super) struct BottomK {
    size: usize,
    entries: Vec<(SampleHash, [f64; NUMBERS])>,
    /// Set once full: as many entries as are wanted lie at or below it.
    threshold: Option<SampleHash>,
}

impl BottomK {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            entries: Vec::with_capacity(2 * size),
            threshold: None,
        }
    }

    /// Takes the numbers of a sample, if its hash is small enough.
    #[inline]
    pub(super) fn offer(&mut self, hash: SampleHash, numbers: [f64; NUMBERS]) {
        if self.threshold.is_none_or(|threshold| hash < threshold) {
            self.keep(hash, numbers);
        }
    }

    /// Apart from [`Self::offer`], because it is rare there.
    #[inline(never)]
    fn keep(&mut self, hash: SampleHash, numbers: [f64; NUMBERS]) {
        self.entries.push((hash, numbers));
        if self.entries.len() >= 2 * self.size {
            self.compact();
        }
    }

    /// Entries of one hash are identical, so it does not matter which of them stay.
    fn compact(&mut self) {
        if self.entries.len() > self.size {
            let (_, last, _) = self
                .entries
                .select_nth_unstable_by_key(self.size - 1, |(hash, _)| *hash);
            self.threshold = Some(last.0);
            self.entries.truncate(self.size);
        }
    }

    /// The sample: each numeric feature's values in ascending order.
    pub(super) fn into_columns(mut self) -> [Vec<f64>; NUMBERS] {
        self.compact();
        std::array::from_fn(|feature| {
            let mut column: Vec<f64> = self.entries.iter().map(|(_, numbers)| numbers[feature]).collect();
            column.sort_unstable_by(f64::total_cmp);
            column
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{
        feature::numbers_of,
        testing::{sample, stream},
    };
    use proptest::prelude::*;

    const SIZE: usize = 10;

    fn columns(prices: impl IntoIterator<Item = u32>) -> [Vec<f64>; NUMBERS] {
        let mut bottom = BottomK::new(SIZE);
        for price in prices {
            let sample = sample(f64::from(price));
            bottom.offer(SampleHash::of(&sample), numbers_of(&sample));
        }
        bottom.into_columns()
    }

    fn smallest(prices: &[u32]) -> Vec<f64> {
        let mut hashed: Vec<_> = prices
            .iter()
            .map(|price| (SampleHash::of(&sample(f64::from(*price))), f64::from(*price)))
            .collect();
        hashed.sort_unstable_by_key(|(hash, _)| *hash);
        let mut smallest: Vec<f64> = hashed.into_iter().take(SIZE).map(|(_, price)| price).collect();
        smallest.sort_unstable_by(f64::total_cmp);
        smallest
    }

    #[test]
    fn it_never_holds_twice_its_size() {
        let mut bottom = BottomK::new(SIZE);
        for sample in stream(1, 1_000) {
            bottom.offer(SampleHash::of(&sample), numbers_of(&sample));
            assert!(bottom.entries.len() < 2 * SIZE);
        }
    }

    #[test]
    fn once_full_it_takes_smaller_hashes_only() {
        let mut bottom = BottomK::new(SIZE);
        let samples = stream(1, 2 * SIZE);
        for sample in samples.iter().chain(&samples) {
            let hash = SampleHash::of(sample);
            let room = bottom.entries.len();
            let refused = bottom.threshold.is_some_and(|threshold| hash >= threshold);
            bottom.offer(hash, numbers_of(sample));
            assert!(!refused || bottom.entries.len() == room);
        }
        assert!(bottom.threshold.is_some());
    }

    proptest! {
        #[test]
        fn it_is_the_smallest_hashes(prices in proptest::collection::vec(1_u32..200, 0..200)) {
            prop_assert_eq!(&columns(prices.clone())[3], &smallest(&prices));
        }

        #[test]
        fn the_order_does_not_matter(
            (prices, shuffled) in proptest::collection::vec(1_u32..500, 0..200)
                .prop_flat_map(|prices| (Just(prices.clone()), Just(prices).prop_shuffle()))
        ) {
            prop_assert_eq!(columns(prices), columns(shuffled));
        }
    }
}
