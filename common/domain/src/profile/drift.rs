//! Whether a file's samples are spread as the dataset's are: the population stability index.
//!
//! PSI = Σ (p − q) ln(p / q) over the bins of a feature, p and q being the shares of the file's and of
//! the dataset's rows in a bin (Siddiqi, "Credit Risk Scorecards", 2006). It is 0 for equal shares; by
//! custom, 0.1 to 0.25 is a slight shift and more is a real one.
//!
//! Rows drawn at random scatter, so a small file has a PSI even without any drift: with B bins, n and m
//! rows, PSI / (1/n + 1/m) is then about chi-squared with B − 1 degrees of freedom (Yurdakul,
//! "Statistical Properties of Population Stability Index", 2018), which is B − 1 on average with a
//! standard deviation of √(2 (B − 1)). That much, and [`MARGIN`] deviations, is allowed on top of the
//! limit. The average alone would flag a quarter of the honest files of 20 rows, having ten features
//! each; with the margin it is one in a hundred at most. The price: of files whose prices are tripled,
//! nine in ten are found from 30 rows on, and hardly any below 15.

use std::collections::BTreeSet;

use super::{
    Distribution,
    feature::{Grades, NUMBERS},
    histogram::Histogram,
};

/// The most bins that a numeric feature is compared in.
const MOST_BINS: u32 = 10;

/// A bin without a row counts as this many rows, for its share would have no logarithm.
///
/// Half a row rather than a fixed share: an empty bin says little in a small file and much in a large one.
const FLOOR_ROWS: f64 = 0.5;

/// Standard deviations of a PSI without drift that are allowed above its average.
const MARGIN: f64 = 3.0;

/// How far a feature of a file is from the same feature of the dataset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Finding {
    /// The population stability index, 0 or above.
    pub(super) psi: f64,
    /// Whether that is more than the limit and chance explain.
    pub(super) drifted: bool,
}

/// The findings on every feature, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drift {
    pub(super) numbers: [Finding; NUMBERS],
    pub(super) grades: Grades<Finding>,
}

impl Drift {
    /// Compares `file` with `reference`; both have rows.
    pub(super) fn between(file: &Distribution, reference: &Distribution, limit: f64) -> Self {
        let (files, references) = (file.numbers.each(), reference.numbers.each());
        Self {
            numbers: std::array::from_fn(|feature| {
                Finding::of(&number_bins(files[feature], references[feature]), limit)
            }),
            grades: Grades {
                cut: Finding::of(&grade_bins(&file.cut, &reference.cut), limit),
                color: Finding::of(&grade_bins(&file.color, &reference.color), limit),
                clarity: Finding::of(&grade_bins(&file.clarity, &reference.clarity), limit),
            },
        }
    }
}

/// The rows in one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bin {
    file: f64,
    reference: f64,
}

impl Finding {
    fn of(bins: &[Bin], limit: f64) -> Self {
        let file = bins.iter().map(|bin| bin.file).sum();
        let reference = bins.iter().map(|bin| bin.reference).sum();
        let psi = bins
            .iter()
            .map(|bin| term(share(bin.file, file), share(bin.reference, reference)))
            .sum();
        Self {
            psi,
            drifted: psi > limit + scatter(bins.len(), file, reference),
        }
    }
}

fn share(count: f64, rows: f64) -> f64 {
    count.max(FLOOR_ROWS) / rows
}

fn term(p: f64, q: f64) -> f64 {
    (p - q) * (p / q).ln()
}

/// What the PSI of this many bins may come to by chance, the numbers of rows being `n` and `m`.
fn scatter(bins: usize, n: f64, m: f64) -> f64 {
    let freedom = bins as f64 - 1.0;
    (freedom + MARGIN * (2.0 * freedom).sqrt()) * (1.0 / n + 1.0 / m)
}

/// One bin for each grade that either of them has.
fn grade_bins<G: Ord + Copy>(file: &Histogram<G>, reference: &Histogram<G>) -> Vec<Bin> {
    let grades: BTreeSet<G> = file
        .iter()
        .chain(reference.iter())
        .map(|(grade, _)| grade)
        .collect();
    let bins = grades.into_iter().map(|grade| Bin {
        file: file.count(grade) as f64,
        reference: reference.count(grade) as f64,
    });
    bins.collect()
}

/// The coarse bins that either of them has rows in; the outer ones are open.
fn number_bins(file: &Histogram<u32>, reference: &Histogram<u32>) -> Vec<Bin> {
    let edges = edges(reference);
    let mut bins = vec![Bin::default(); edges.len() + 1];
    let place = |bin| edges.partition_point(|edge| *edge < bin);
    for (bin, count) in file.iter() {
        bins[place(bin)].file += count as f64;
    }
    for (bin, count) in reference.iter() {
        bins[place(bin)].reference += count as f64;
    }
    bins.retain(|bin| *bin != Bin::default());
    bins
}

/// Cuts the reference into at most [`MOST_BINS`] of about equal share: at every tenth of its rows, or
/// rather where the fine bin ends that comes closest to that. An edge is the last fine bin below it.
///
/// A reference in a single fine bin is cut on both sides of it, else nothing could differ from it.
fn edges(reference: &Histogram<u32>) -> Vec<u32> {
    let total = reference.total() as f64;
    let mut below = 0.0;
    let mut ends: Vec<(u32, f64)> = Vec::new();
    for (bin, count) in reference.iter() {
        below += count as f64 / total;
        ends.push((bin, below));
    }
    match ends.pop() {
        Some((only, _)) if ends.is_empty() => vec![only.saturating_sub(1), only],
        _ => {
            let tenths = (1..MOST_BINS).map(|tenth| f64::from(tenth) / f64::from(MOST_BINS));
            let mut edges: Vec<u32> = tenths.filter_map(|share| closest(&ends, share)).collect();
            edges.dedup();
            edges
        }
    }
}

/// The fine bin up to which the share of the rows comes closest to `share`.
fn closest(ends: &[(u32, f64)], share: f64) -> Option<u32> {
    ends.iter()
        .min_by(|a, b| (a.1 - share).abs().total_cmp(&(b.1 - share).abs()))
        .map(|(bin, _)| *bin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::{distribution, stream};
    use proptest::prelude::*;
    use rstest::rstest;

    const LIMIT: f64 = 0.25;

    fn bins(counts: &[(u32, u32)]) -> Vec<Bin> {
        let bins = counts.iter().map(|(file, reference)| Bin {
            file: f64::from(*file),
            reference: f64::from(*reference),
        });
        bins.collect()
    }

    fn psi(counts: &[(u32, u32)]) -> f64 {
        Finding::of(&bins(counts), LIMIT).psi
    }

    fn histogram(counts: &[(u32, u64)]) -> Histogram<u32> {
        counts.iter().copied().collect()
    }

    #[test]
    fn the_index_is_that_of_the_book() {
        // (0.3 − 0.5) ln(0.3 / 0.5) + (0.7 − 0.5) ln(0.7 / 0.5)
        let expected = 0.2 * (0.5_f64 / 0.3).ln() + 0.2 * 1.4_f64.ln();
        assert!((psi(&[(30, 500), (70, 500)]) - expected).abs() < 1e-12);
    }

    #[test]
    fn an_empty_bin_counts_as_half_a_row() {
        let expected = 0.5 * 2.0_f64.ln() + (0.5 - 0.005) * 100.0_f64.ln();
        assert!((psi(&[(100, 500), (0, 500)]) - expected).abs() < 1e-12);
    }

    #[rstest]
    // (B − 1) + 3 √(2 (B − 1)) = 1 + 3 √2 = 5.243, times (1/100 + 1/100) = 0.105
    #[case(0.354, true)]
    #[case(0.356, false)]
    fn chance_is_allowed_on_top_of_the_limit(#[case] psi: f64, #[case] drifted: bool) {
        assert_eq!(psi < LIMIT + scatter(2, 100.0, 100.0), drifted);
    }

    #[test]
    fn a_reference_is_cut_into_tenths() {
        let reference = histogram(&(0..100).map(|bin| (bin, 7)).collect::<Vec<_>>());
        assert_eq!(edges(&reference), [9, 19, 29, 39, 49, 59, 69, 79, 89]);
    }

    #[test]
    fn a_frequent_value_has_a_bin_of_its_own() {
        let reference = histogram(&[(1, 9), (2, 50), (3, 41)]);
        assert_eq!(edges(&reference), [1, 2]);
    }

    #[test]
    fn a_constant_reference_still_sees_other_values() {
        let reference = histogram(&[(5, 100)]);
        let same = number_bins(&histogram(&[(5, 10)]), &reference);
        let other = number_bins(&histogram(&[(6, 10)]), &reference);
        assert_eq!(same, bins(&[(10, 100)]));
        assert_eq!(other, bins(&[(0, 100), (10, 0)]));
    }

    fn has_drifted(file: &Distribution, reference: &Distribution) -> bool {
        let drift = Drift::between(file, reference, LIMIT);
        let mut findings = drift.numbers.iter().chain(drift.grades.each());
        findings.any(|finding| finding.drifted)
    }

    #[rstest]
    fn of_honest_files_at_most_one_in_a_hundred_is_flagged(#[values(1, 3, 10, 20, 30, 60, 300)] rows: usize) {
        let reference = distribution(&stream(0, 50_000));
        let flagged = (1..=400).filter(|seed| has_drifted(&distribution(&stream(*seed, rows)), &reference));
        let flagged = flagged.count();
        assert!(flagged <= 4, "{flagged} of 400 files of {rows} rows");
    }

    proptest! {
        #[test]
        fn no_index_is_negative(
            file in proptest::collection::btree_map(0_u32..200, 1_u64..1_000_000, 1..100),
            reference in proptest::collection::btree_map(0_u32..200, 1_u64..1_000_000, 1..100),
        ) {
            let bins = number_bins(&file.into_iter().collect(), &reference.into_iter().collect());
            prop_assert!(bins.len() <= MOST_BINS as usize);
            let psi = Finding::of(&bins, LIMIT).psi;
            prop_assert!(psi.is_finite() && psi >= 0.0, "{}", psi);
        }

        #[test]
        fn a_file_is_no_distance_from_itself(
            counts in proptest::collection::btree_map(0_u32..200, 1_u64..1_000_000, 1..100), times in 1_u64..9
        ) {
            let file: Histogram<u32> = counts.clone().into_iter().collect();
            let more = counts.into_iter().map(|(bin, count)| (bin, count * times)).collect();
            let finding = Finding::of(&number_bins(&file, &more), LIMIT);
            prop_assert_eq!(finding, Finding { psi: 0.0, drifted: false });
        }
    }
}
