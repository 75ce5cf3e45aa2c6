//! The law of prices: log-linear in diameter, weight and grades, as the linear model can learn it.

/// Logarithms to base 2 are counted in 65536ths.
const ONE: u32 = 16;
/// Of the price of nothing at all.
const BASE: i64 = 169_998;
/// Per hundredth of a millimeter of diameter.
const DIAMETER: i64 = 1_116;
/// Per hundredth of a carat: makes the price of heavy stones grow less.
const WEIGHT: i64 = -804;
const CUT: [i64; 5] = [-9_455, -4_727, -1_891, 0, 1_891];
const COLOR: [i64; 7] = [-30_255, -18_910, -7_564, 1_891, 7_564, 11_346, 15_128];
const CLARITY: [i64; 8] = [-56_729, -18_910, -4_727, 5_673, 13_237, 20_801, 26_473, 32_146];

/// What a price depends on.
pub(super) struct Worth {
    /// Hundredths of a carat.
    pub(super) carat: u32,
    /// Hundredths of a millimeter.
    pub(super) diameter: u32,
    /// Positions from worst to best.
    pub(super) cut: u32,
    pub(super) color: u32,
    pub(super) clarity: u32,
    /// Four rolls of 16 bits, summed: the market's mood, a tenth of the price up or down.
    pub(super) mood: u32,
}

/// Dollars.
#[inline]
pub(super) fn price(worth: &Worth) -> u32 {
    let grades = CUT[worth.cut as usize] + COLOR[worth.color as usize] + CLARITY[worth.clarity as usize];
    let size = DIAMETER * i64::from(worth.diameter) + WEIGHT * i64::from(worth.carat);
    let mood = (i64::from(worth.mood) - 2 * 0xFFFF) >> 2;
    power(BASE + size + grades + mood)
}

/// 2 to the power of a logarithm; 1 at least.
fn power(logarithm: i64) -> u32 {
    let logarithm = logarithm.clamp(0, (31 << ONE) - 1) as u64;
    let (whole, fraction) = (logarithm >> ONE, (logarithm >> (ONE - 10)) & 1023);
    let scaled = u64::from(POWERS[fraction as usize]) << whole;
    ((scaled + (1 << 29)) >> 30) as u32
}

/// 2^(i/1024) in units of 2⁻³⁰.
const POWERS: [u32; 1024] = powers();

const fn powers() -> [u32; 1024] {
    // 2^(1/1024) in units of 2⁻⁶².
    const ROOT: u128 = 4_614_808_732_577_250_068;
    let mut powers = [0; 1024];
    let (mut power, mut i) = (1_u128 << 62, 0);
    while i < 1024 {
        powers[i] = (power >> 32) as u32;
        power = (power * ROOT) >> 62;
        i += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_powers_of_two() {
        assert_eq!(power(0), 1);
        assert_eq!(power(10 << ONE), 1024);
        assert_eq!(power((12 << ONE) + (1 << (ONE - 1))), 5793);
    }

    #[test]
    fn a_carat_of_middling_grades_is_worth_about_5000_dollars() {
        let worth = Worth {
            carat: 100,
            diameter: 640,
            cut: 3,
            color: 3,
            clarity: 3,
            mood: 2 * 0xFFFF,
        };
        assert!((4_500..6_000).contains(&price(&worth)), "{}", price(&worth));
    }
}
