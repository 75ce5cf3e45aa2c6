//! The named hash of a diamond's content, and the sides that follow from it.
//!
//! `lapidary-diamond-1` is SHA-256 over that name and the features in canonical form: each
//! number as the eight big-endian bytes of its IEEE 754 double (so `1.10` and `1.1` are one), each
//! grade as its rank. It never changes; another rule would be another name. A stone therefore
//! stays on its side for ever, whichever file brings it and at whatever price.

use sha2::{Digest, Sha256};

use crate::{Diamond, Sample};

/// The name of the hash, mixed into it.
pub const NAME: &str = "lapidary-diamond-1";

/// The name of the hash of samples, mixed into it.
pub const SAMPLE_NAME: &str = "lapidary-sample-1";

/// One diamond in this many is held out.
const HOLDOUT_EVERY: u64 = 5;

/// One training diamond in this many validates what was fitted on the others.
const VALIDATION_EVERY: u64 = 5;

/// Which samples a stone may serve as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Models learn from it.
    Training,
    /// No model ever trains on it.
    Holdout,
}

/// What a training stone does while a learner compares parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerSide {
    /// The trials fit on it.
    Fitting,
    /// The trials are compared on it.
    Validation,
}

/// What a held-out stone is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldoutHalf {
    /// Ranges are calibrated on it, and the gate compares models on it.
    Calibration,
    /// The coverage of ranges is checked on it, and nothing else is decided by it.
    Checking,
}

/// The content of a diamond, price apart, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DiamondHash([u8; 32]);

impl DiamondHash {
    /// The hash of `diamond`.
    #[must_use]
    pub fn of(diamond: &Diamond) -> Self {
        let hasher = Sha256::new_with_prefix(NAME).chain_update(content_of(diamond));
        Self(hasher.finalize().into())
    }

    /// The side that the first eight bytes decide.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.bits(0).is_multiple_of(HOLDOUT_EVERY) {
            Side::Holdout
        } else {
            Side::Training
        }
    }

    /// The inner side that the second eight bytes decide; it means something on the training side only.
    #[must_use]
    pub fn inner_side(&self) -> InnerSide {
        if self.bits(1).is_multiple_of(VALIDATION_EVERY) {
            InnerSide::Validation
        } else {
            InnerSide::Fitting
        }
    }

    /// The half that the third eight bytes decide; it means something in the holdout only.
    #[must_use]
    pub fn holdout_half(&self) -> HoldoutHalf {
        if self.bits(2).is_multiple_of(2) {
            HoldoutHalf::Calibration
        } else {
            HoldoutHalf::Checking
        }
    }

    /// Whether the fourth eight bytes draw it where `wanted` of `all` diamonds are to be drawn: about as many are, and
    /// all where no fewer are wanted.
    #[must_use]
    pub fn is_drawn(&self, wanted: usize, all: usize) -> bool {
        let place = (u128::from(self.bits(3)) * all as u128) >> u64::BITS;
        place < wanted as u128
    }

    /// The eight bytes at place `word`, 0 to 3, as a number.
    fn bits(&self, word: usize) -> u64 {
        let bytes = self.0[8 * word..].iter().take(8);
        bytes.fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

/// The content of a sample, price included: two samples with one hash are identical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleHash(u128);

impl SampleHash {
    /// How many bytes it takes.
    pub const BYTES: usize = 16;

    /// The bytes, which order as the hashes do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0.to_be_bytes()
    }

    /// From what [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The hash of `sample`: SHA-256 over [`SAMPLE_NAME`], the diamond's canonical content and the price as eight
    /// big-endian bytes, cut to its first 128 bits. Hashes are stored, so it never changes; another rule would be
    /// another name. Nobody can make two samples of one hash, and no two are to be expected among 10¹⁵.
    #[must_use]
    pub fn of(sample: &Sample) -> Self {
        let hasher = Sha256::new_with_prefix(SAMPLE_NAME)
            .chain_update(content_of(&sample.diamond))
            .chain_update(sample.price.get().to_be_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let mut first = [0; Self::BYTES];
        first.copy_from_slice(&digest[..Self::BYTES]);
        Self::from_bytes(first)
    }
}

/// Six numbers and three grades.
const CONTENT: usize = 6 * 8 + 3;

fn content_of(diamond: &Diamond) -> [u8; CONTENT] {
    let mut content = [0; CONTENT];
    let numbers = [
        diamond.carat.get(),
        diamond.depth.get(),
        diamond.table.get(),
        diamond.x.get(),
        diamond.y.get(),
        diamond.z.get(),
    ];
    for (slot, number) in content.chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_be_bytes());
    }
    content[48] = diamond.cut as u8;
    content[49] = diamond.color as u8;
    content[50] = diamond.clarity as u8;
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Carat, Clarity, Color, Cut, Millimeters, Percent, Price};
    use proptest::prelude::*;

    fn diamond(carat: f64) -> Diamond {
        let millimeters = |value: f64| Millimeters::try_from(value).unwrap();
        Diamond {
            carat: Carat::try_from(carat).unwrap(),
            cut: Cut::Ideal,
            color: Color::H,
            clarity: Clarity::SI2,
            depth: Percent::try_from(62.0).unwrap(),
            table: Percent::try_from(55.0).unwrap(),
            x: millimeters(6.61),
            y: millimeters(6.65),
            z: millimeters(4.11),
        }
    }

    fn sample(carat: f64, price: f64) -> Sample {
        Sample {
            diamond: diamond(carat),
            price: Price::try_from(price).unwrap(),
        }
    }

    #[test]
    fn the_hash_is_pinned_for_ever() {
        let hash = DiamondHash::of(&diamond(1.1));
        insta::assert_snapshot!(hex::encode(hash.0));
    }

    /// F3: hashes that are stored mean the same to every process.
    #[test]
    fn the_hash_of_a_sample_is_pinned_for_ever() {
        let hash = SampleHash::of(&sample(1.1, 4733.0));
        insta::assert_snapshot!(hex::encode(hash.to_bytes()));
    }

    #[test]
    fn spelling_of_a_number_does_not_matter() {
        let spelled = |text: &str| DiamondHash::of(&diamond(text.parse().unwrap()));
        assert_eq!(spelled("1.10"), spelled("1.1e0"));
    }

    #[test]
    fn one_in_five_is_held_out() {
        let held_out = (1..=20_000)
            .filter(|n| DiamondHash::of(&diamond(f64::from(*n) / 100.0)).side() == Side::Holdout)
            .count();
        assert!((3_800..=4_200).contains(&held_out), "{held_out} of 20,000");
    }

    /// Each choice uses bits of its own, so within a side the next choice is as even as over all.
    #[test]
    fn the_sides_of_the_sides_are_independent() {
        let hashes = (1..=40_000).map(|n| DiamondHash::of(&diamond(f64::from(n) / 100.0)));
        let (holdout, training): (Vec<_>, Vec<_>) = hashes.partition(|hash| hash.side() == Side::Holdout);
        let validating = training
            .iter()
            .filter(|hash| hash.inner_side() == InnerSide::Validation);
        let calibrating = holdout
            .iter()
            .filter(|hash| hash.holdout_half() == HoldoutHalf::Calibration);
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        let (validating, calibrating) = (
            share(validating.count(), training.len()),
            share(calibrating.count(), holdout.len()),
        );
        assert!((0.19..0.21).contains(&validating), "{validating}");
        assert!((0.47..0.53).contains(&calibrating), "{calibrating}");
    }

    #[test]
    fn about_as_many_are_drawn_as_are_wanted_and_the_same_ones_whenever_more_are() {
        let hashes: Vec<_> = (1..=20_000)
            .map(|n| DiamondHash::of(&diamond(f64::from(n) / 100.0)))
            .collect();
        let drawn =
            |wanted| -> Vec<bool> { hashes.iter().map(|hash| hash.is_drawn(wanted, 20_000)).collect() };
        let few = drawn(5_000);
        let count = few.iter().filter(|drawn| **drawn).count();
        assert!((4_800..=5_200).contains(&count), "{count} of 20,000");
        assert!(few.iter().zip(drawn(10_000)).all(|(few, more)| !few || more));
        assert!(drawn(20_000).iter().all(|drawn| *drawn));
    }

    #[test]
    fn the_sides_of_a_stone_are_pinned_for_ever() {
        let sides = |n: u32| {
            let hash = DiamondHash::of(&diamond(f64::from(n) / 10.0));
            (hash.side(), hash.inner_side(), hash.holdout_half())
        };
        insta::assert_debug_snapshot!((1..=12).map(sides).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn the_price_moves_no_stone_to_the_other_side(carat in 0.01..10.0, a in 1.0..1e5, b in 1.0..1e5) {
            let (cheap, dear) = (sample(carat, a), sample(carat, b));
            prop_assert_eq!(
                DiamondHash::of(&cheap.diamond).side(),
                DiamondHash::of(&dear.diamond).side()
            );
            prop_assert_eq!(a == b, SampleHash::of(&cheap) == SampleHash::of(&dear));
        }
    }
}
