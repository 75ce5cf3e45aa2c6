//! Tests of whole profiles.

use proptest::prelude::*;
use rstest::rstest;

use super::{
    testing::{distribution, sample, sampled, stream},
    *,
};
use crate::{Carat, Price, Sample, SampleHash};

const LIMIT: f64 = 0.25;

fn profile(samples: &[Sample], reference: Option<&Distribution>) -> Profile {
    Profile::of(sampled(samples), reference, LIMIT).unwrap().0
}

/// What drifts when `change` is done to `rows` samples that are otherwise like the dataset's.
fn drift_of(rows: usize, change: fn(&mut Sample)) -> Vec<String> {
    let reference = distribution(&stream(0, 50_000));
    let mut samples = stream(1, rows);
    samples.iter_mut().for_each(change);
    profile(&samples, Some(&reference)).drifted
}

fn triple_the_price(sample: &mut Sample) {
    sample.price = Price::try_from(sample.price.get() * 3.0).unwrap();
}

fn make_it_heavy(sample: &mut Sample) {
    sample.diamond.carat = Carat::try_from(sample.diamond.carat.get() + 2.0).unwrap();
}

fn cut_it_ideally(sample: &mut Sample) {
    sample.diamond.cut = Cut::Ideal;
}

#[rstest]
#[case::prices(triple_the_price, "price")]
#[case::carats(make_it_heavy, "carat")]
#[case::cuts(cut_it_ideally, "cut")]
fn a_changed_feature_has_drifted_and_no_other(
    #[case] change: fn(&mut Sample),
    #[case] name: &str,
    #[values(60, 50_000)] rows: usize,
) {
    assert_eq!(drift_of(rows, change), [name]);
}

#[test]
fn an_unchanged_file_has_not_drifted() {
    assert!(drift_of(50_000, |_| ()).is_empty());
}

#[test]
fn the_json_is_pinned() {
    let samples = [326.0, 400.0, 1_000.0, 2_000.0].map(sample);
    let mut profile = profile(&samples, Some(&distribution(&samples)));
    profile.drifted = vec!["price".to_owned()];
    insta::assert_json_snapshot!(profile);
}

#[test]
fn without_a_dataset_there_is_no_index() {
    let empty = Distribution::default();
    for reference in [None, Some(&empty)] {
        let profile = profile(&stream(1, 100), reference);
        assert!(profile.numbers.each().iter().all(|numbers| numbers.psi.is_none()));
        assert!(profile.grades.each().iter().all(|grades| grades.psi.is_none()));
        assert!(profile.drifted.is_empty());
    }
}

#[test]
fn no_samples_have_no_profile() {
    assert!(Profile::of(Sampler::default(), None, LIMIT).is_none());
}

#[test]
fn prices_beyond_belief_still_make_json() {
    let profile = profile(&[sample(f64::MAX), sample(f64::MAX), sample(5e-324)], None);
    let json = serde_json::to_value(&profile).unwrap();
    assert_eq!(serde_json::from_value::<Profile>(json).unwrap(), profile);
}

#[test]
fn a_large_file_is_told_from_a_sample_of_it() {
    let samples = stream(7, 20_000);
    let mut sampler = Sampler::keeping(2_000);
    for sample in &samples {
        sampler.add(SampleHash::of(sample), sample);
    }
    let (large, distribution) = Profile::of(sampler, None, LIMIT).unwrap();
    let whole = profile(&samples, None);
    assert_eq!(large.sampled_rows, 2_000);
    assert_eq!(distribution.rows(), 20_000);
    assert_eq!(large.grades, whole.grades);
    for (part, all) in large.numbers.each().into_iter().zip(whole.numbers.each()) {
        assert_eq!((part.min, part.mean, part.max), (all.min, all.mean, all.max));
        assert!((part.median / all.median - 1.0).abs() < 0.05, "{part:?} {all:?}");
    }
}

#[test]
fn the_shares_of_grades_add_up() {
    let profile = profile(&stream(1, 333), None);
    let grades: Vec<_> = profile
        .grades
        .cut
        .shares
        .iter()
        .map(|share| &share.grade)
        .collect();
    assert_eq!(grades, Cut::NAMES);
    for grades in profile.grades.each() {
        let sum: f64 = grades.shares.iter().map(|share| share.share).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}

proptest! {
    #[test]
    fn the_order_of_the_samples_does_not_matter(seed: u64, rows in 1_usize..200, turn in 0_usize..200) {
        let mut samples = stream(seed, rows);
        let (before, distributed) = Profile::of(sampled(&samples), None, LIMIT).unwrap();
        samples.rotate_left(turn % rows);
        samples.reverse();
        let (after, redistributed) = Profile::of(sampled(&samples), None, LIMIT).unwrap();
        prop_assert_eq!(redistributed, distributed);
        prop_assert_eq!(&after.grades, &before.grades);
        for (after, before) in after.numbers.each().into_iter().zip(before.numbers.each()) {
            prop_assert!((after.mean / before.mean - 1.0).abs() < 1e-12);
            prop_assert_eq!(NumberProfile { mean: before.mean, ..*after }, *before);
        }
    }

    #[test]
    fn a_profile_is_ordered(seed: u64, rows in 1_usize..200) {
        for of in profile(&stream(seed, rows), None).numbers.each() {
            let values = [of.min, of.q1, of.median, of.q3, of.max];
            prop_assert!(values.is_sorted(), "{:?}", of);
            prop_assert!(of.min <= of.mean && of.mean <= of.max, "{:?}", of);
        }
    }

    #[test]
    fn a_file_has_not_drifted_from_itself(seed: u64, rows in 1_usize..200) {
        let samples = stream(seed, rows);
        let profile = profile(&samples, Some(&distribution(&samples)));
        prop_assert!(profile.numbers.each().iter().all(|numbers| numbers.psi == Some(0.0)));
        prop_assert!(profile.grades.each().iter().all(|grades| grades.psi == Some(0.0)));
        prop_assert!(profile.drifted.is_empty());
    }
}
