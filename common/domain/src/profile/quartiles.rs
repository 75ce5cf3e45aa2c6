//! Quartiles.

/// The lower quartile, the median and the upper quartile of ascending, finite numbers above 0;
/// none of no numbers.
///
/// Between two numbers they are interpolated in a straight line, as numpy and pandas do by default
/// (type 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages", 1996).
pub(super) fn quartiles(ascending: &[f64]) -> Option<[f64; 3]> {
    let last = ascending.len().checked_sub(1)?;
    Some([1, 2, 3].map(|quarter| {
        // The place is counted in quarters of a step, so that it is exact.
        let place = quarter * last;
        let below = ascending[place / 4];
        let above = ascending[(place / 4 + 1).min(last)];
        below + (above - below) * ((place % 4) as f64 / 4.0)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], None)]
    #[case(&[7.0], Some([7.0, 7.0, 7.0]))]
    #[case(&[1.0, 2.0], Some([1.25, 1.5, 1.75]))]
    #[case(&[1.0, 2.0, 3.0, 4.0], Some([1.75, 2.5, 3.25]))]
    #[case(&[1.0, 2.0, 3.0, 4.0, 5.0], Some([2.0, 3.0, 4.0]))]
    #[case(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0], Some([2.5, 6.0, 14.0]))]
    #[case(&[10.0, 10.0, 10.0, 40.0], Some([10.0, 10.0, 17.5]))]
    fn they_are_what_numpy_says(#[case] ascending: &[f64], #[case] expected: Option<[f64; 3]>) {
        assert_eq!(quartiles(ascending), expected);
    }

    proptest! {
        #[test]
        fn they_are_ordered(mut numbers in proptest::collection::vec(f64::MIN_POSITIVE..f64::MAX, 1..50)) {
            numbers.sort_unstable_by(f64::total_cmp);
            let [q1, median, q3] = quartiles(&numbers).unwrap();
            let all = [numbers[0], q1, median, q3, numbers[numbers.len() - 1]];
            prop_assert!(all.is_sorted(), "{all:?}");
        }
    }
}
