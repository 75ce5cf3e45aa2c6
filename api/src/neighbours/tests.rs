use std::cmp::Ordering;

use domain::row::{RawRow, judge};
use proptest::prelude::*;

use super::*;

const GRADES: Grades = (Cut::Ideal, Color::H, Clarity::SI2);

fn sample(carat: f64, color: Color, price: usize) -> Sample {
    let (carat, price) = (carat.to_string(), (price + 1).to_string());
    let row = RawRow([
        &carat,
        "Ideal",
        color.name(),
        "SI2",
        "62.1",
        "55",
        &price,
        "6.61",
        "6.65",
        "4.11",
    ]);
    judge(&row).unwrap()
}

/// All of them, sorted.
fn oracle(samples: &[Sample], wanted: f64, n: usize) -> Vec<Sample> {
    let far = |sample: &Sample| (sample.diamond.carat.get() - wanted).abs();
    let carat = |sample: &Sample| sample.diamond.carat.get();
    let compare = |a: f64, b: f64| -> Ordering { a.total_cmp(&b) };
    let same = |sample: &&Sample| sample.diamond.color == Color::H;
    let mut sorted: Vec<_> = samples.iter().filter(same).copied().collect();
    sorted.sort_by(|a, b| compare(far(a), far(b)).then(compare(carat(a), carat(b))));
    sorted.truncate(n);
    sorted
}

fn check(carats: &[f64], wanted: f64, n: usize) -> Result<(), TestCaseError> {
    let colors = [Color::H, Color::H, Color::D];
    let samples: Vec<_> = carats
        .iter()
        .enumerate()
        .map(|(position, carat)| sample(*carat, colors[position % 3], position))
        .collect();
    let index = Neighbours::of(&samples);
    let (near, matching) = index.nearest(Carat::try_from(wanted).unwrap(), GRADES, n);
    let oracle = oracle(&samples, wanted, n);
    prop_assert_eq!(matching, carats.len() - carats.len() / 3);
    prop_assert_eq!(index.len(), carats.len());
    prop_assert_eq!(near, oracle);
    Ok(())
}

proptest! {
    #[test]
    fn the_nearest_of_many_equal_carats_are_those_of_a_full_sort(
        tenths in proptest::collection::vec(1_u8..20, 0..60), wanted in 1_u8..40, n in 1_usize..70) {
        let carats: Vec<_> = tenths.iter().map(|tenth| f64::from(*tenth) / 10.0).collect();
        check(&carats, f64::from(wanted) / 20.0, n)?;
    }

    #[test]
    fn the_nearest_of_any_carats_are_those_of_a_full_sort(
        carats in proptest::collection::vec(prop_oneof![0.2..3.0, 1e-300..1e300], 0..40),
        wanted in prop_oneof![0.2..3.0, 1e-300..1e300], n in 1_usize..50) {
        check(&carats, wanted, n)?;
    }
}

#[test]
fn a_sample_of_the_trade_takes_28_bytes() {
    let samples: Vec<_> = (0..1000_usize)
        .map(|price| sample(1.07, Color::H, price))
        .collect();
    let index = Neighbours::of(&samples);
    assert_eq!(index.bytes() - (COMBINATIONS + 1) * 8, 28 * 1000);
}

#[test]
fn grades_that_no_sample_has_match_nothing() {
    let index = Neighbours::of(&[sample(1.0, Color::D, 1)]);
    let carat = Carat::try_from(1.0).unwrap();
    assert_eq!(index.nearest(carat, GRADES, 5), (Vec::new(), 0));
    assert!(!index.is_empty());
}
