//! One sample, in whole numbers.

use domain::row::Column;

use super::{
    chance::{Dice, by_shares, mixed},
    price::{Worth, price},
};

/// The values of one sample in the order of [`Column::ALL`]: hundredths of carats and millimeters, tenths of
/// percents, dollars, and grades by their position from worst to best.
#[derive(Clone, Copy)]
pub(super) struct Stone(pub(super) [u32; 10]);

/// Weights that buyers ask for, and how far above them stones are cut, in hundredths of a carat.
const WEIGHTS: [(u32, u32); 16] = [
    (20, 4),
    (23, 8),
    (30, 20),
    (35, 12),
    (40, 24),
    (50, 20),
    (60, 20),
    (70, 24),
    (80, 12),
    (90, 11),
    (100, 34),
    (120, 30),
    (150, 30),
    (170, 30),
    (200, 40),
    (205, 324),
];
const WEIGHT_OF: [u8; 256] = by_shares([2, 8, 46, 12, 26, 36, 8, 34, 8, 14, 34, 10, 10, 2, 5, 1]);
/// The grades' shares in the bundled data, worst first.
const CUT_OF: [u8; 256] = by_shares([8, 23, 57, 65, 103]);
const COLOR_OF: [u8; 256] = by_shares([13, 26, 39, 54, 45, 47, 32]);
const CLARITY_OF: [u8; 256] = by_shares([4, 43, 62, 58, 39, 24, 17, 9]);

/// Diameters in hundredths of a millimeter by weight: 6.4 times the cube root of the carats.
const DIAMETERS: [u32; 501] = diameters();

const fn diameters() -> [u32; 501] {
    let mut diameters = [0; 501];
    let (mut carat, mut diameter) = (0_u64, 0_u64);
    while carat < 501 {
        while (diameter + 1) * (diameter + 1) * (diameter + 1) * 100 <= 640 * 640 * 640 * carat {
            diameter += 1;
        }
        diameters[carat as usize] = diameter as u32;
        carat += 1;
    }
    diameters
}

impl Stone {
    /// The sample of a row.
    #[inline]
    pub(super) fn of(start: u64, row: u64) -> Self {
        let first = row.wrapping_mul(3);
        let mut dice = Dice::new(mixed(start, first));
        let carat = weight(&mut dice);
        let mut grade = |table: &[u8; 256]| u32::from(table[dice.roll(8) as usize]);
        let (cut, color, clarity) = (grade(&CUT_OF), grade(&COLOR_OF), grade(&CLARITY_OF));
        let mut dice = Dice::new(mixed(start, first.wrapping_add(1)));
        let x = DIAMETERS[carat as usize] * (985 + dice.sum(2, 4)) / 1000;
        let y = x * (993 + dice.roll(4)) / 1000;
        let depth = 618 + dice.sum(4, 4) * 3 / 2 - 45;
        let table = 530 + dice.sum(3, 2) * 10;
        let worth = Worth {
            carat,
            diameter: x,
            cut,
            color,
            clarity,
            mood: Dice::new(mixed(start, first.wrapping_add(2))).sum(4, 16),
        };
        let z = (x + y) * depth / 2000;
        Self([carat, cut, color, clarity, depth, table, price(&worth), x, y, z])
    }

    pub(super) fn value(&self, column: Column) -> u32 {
        self.0[column as usize]
    }
}

/// The product of three rolls is small more often than not: most stones are just above a popular weight.
fn weight(dice: &mut Dice) -> u32 {
    let (least, span) = WEIGHTS[usize::from(WEIGHT_OF[dice.roll(8) as usize])];
    let above = dice.roll(5) * dice.roll(5) * dice.roll(5);
    least + ((above * span) >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_those_of_diamonds_are() {
        for row in 0..100_000 {
            let Stone([carat, cut, color, clarity, depth, table, price, x, y, z]) = Stone::of(7, row);
            assert!((20..=500).contains(&carat), "{carat}");
            assert!(cut < 5 && color < 7 && clarity < 8);
            assert!((570..=670).contains(&depth) && (530..=620).contains(&table));
            assert!((100..200_000).contains(&price), "{price}");
            assert!(x.abs_diff(y) * 100 <= x && z * 100 / x >= 56, "{x} {y} {z}");
        }
    }

    #[test]
    fn popular_weights_are_popular() {
        let count = |wanted| {
            (0..10_000)
                .filter(|row| Stone::of(7, *row).value(Column::Carat) == wanted)
                .count()
        };
        let (popular, next) = (count(100), count(99));
        assert!(popular > 20 * next.max(1), "{popular} of 1.00, {next} of 0.99");
    }
}
