//! Chance that anyone can repeat.

/// 2⁶⁴ over the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The number at `index` of the sequence that `seed` begins: `SplitMix64` (Steele, Lea and Flood, 2014).
pub(super) fn mixed(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A place in the circle of 2⁶⁴. Steps of the golden ratio fill it evenly (Weyl): of n indices, the part of the
/// circle that is a share s of it gets s·n, give or take a few.
pub(super) fn evenly(start: u64, index: u64) -> u64 {
    start.wrapping_add(index.wrapping_mul(GOLDEN))
}

/// Bits of one number, handed out in turn.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// A whole number below 2 to the `bits`.
    #[inline]
    pub(super) fn roll(&mut self, bits: u32) -> u32 {
        let rolled = self.0 & ((1 << bits) - 1);
        self.0 >>= bits;
        rolled as u32
    }

    /// The sum of `times` rolls: the more, the nearer to a bell curve.
    #[inline]
    pub(super) fn sum(&mut self, times: u32, bits: u32) -> u32 {
        (0..times).map(|_| self.roll(bits)).sum()
    }
}

/// A table to look a byte up in: `shares` of 256, each answering its own position.
pub(super) const fn by_shares<const N: usize>(shares: [u16; N]) -> [u8; 256] {
    let mut table = [0; 256];
    let (mut position, mut filled) = (0, 0);
    while position < N {
        let mut left = shares[position];
        while left > 0 {
            table[filled] = position as u8;
            filled += 1;
            left -= 1;
        }
        position += 1;
    }
    assert!(filled == 256, "the shares must sum up to 256");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // The first numbers that Vigna's reference implementation gives for the seed 1234567.
        let first: Vec<_> = (0..3).map(|index| mixed(1_234_567, index)).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn an_even_spread_gives_every_share_its_rows() {
        let part = u64::MAX / 100;
        for start in [0, 1, mixed(7, 7)] {
            let hits = (0..1_000).filter(|index| evenly(start, *index) < part).count();
            assert!((8..=12).contains(&hits), "{hits}");
        }
    }
}
