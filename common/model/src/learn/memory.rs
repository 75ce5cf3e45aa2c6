//! How much memory a training run takes, told beforehand.
//!
//! Everything below is bytes for each sample of a dataset version, reasoned from what is kept of one, and rounded up.
//! `make bench-memory` measures a run, to hold an estimate against.

use domain::ModelKind;

use super::xgboost::{BATCH, MOST_SEARCHED};
use crate::features;

/// What a trainer takes beside samples: its program, a part of a batch while it is read, and a large forest.
const BASE: u64 = 256 << 20;
/// A sample in memory.
const SAMPLE: u64 = 64;
/// What tells repeated samples apart while they are read, where it is largest: as it grows.
const KNOWN: u64 = 60;
/// What XGBoost makes of one feature of one sample: the number, in rows and in columns, and the bin that it is in.
const FEATURE: u64 = 20;
/// What XGBoost keeps for a sample beside its features: the target, its prediction, gradients and places in trees.
const ROW: u64 = 60;
/// What least squares need of a sample beside itself: figures of the predictions that the model is measured by.
const MEASURE: u64 = 40;

/// About as much memory as a run takes at most, in bytes: a learner of `kind` on a dataset version of `rows` samples,
/// the search, if it has one, on `threads` threads.
///
/// Samples are read first; then a search gives each thread a part of them in XGBoost's form; then all are in that form
/// once. These follow each other, so that the largest counts. A search uses no more threads than it has trials in a batch.
#[must_use]
pub fn estimate(kind: ModelKind, rows: u64, threads: usize) -> u64 {
    let matrix = FEATURE * features::NAMES.len() as u64 + ROW;
    let beside_samples = match kind {
        ModelKind::Linear | ModelKind::ElasticNet => rows.saturating_mul(KNOWN.max(MEASURE)),
        ModelKind::Xgboost => {
            let searched = rows.min(MOST_SEARCHED).saturating_mul(matrix + SAMPLE);
            let search = searched.saturating_mul(threads.clamp(1, BATCH) as u64);
            search.max(rows.saturating_mul(matrix))
        }
    };
    BASE.saturating_add(rows.saturating_mul(SAMPLE))
        .saturating_add(beside_samples)
}

/// The most threads, up to `threads`, with which a run takes no more than `limit` bytes; none where even one takes
/// more.
#[must_use]
pub fn threads_within(limit: u64, kind: ModelKind, rows: u64, threads: usize) -> Option<usize> {
    let fits = |threads: &usize| estimate(kind, rows, *threads) <= limit;
    (1..=threads.max(1)).rev().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_estimate_grows_with_samples_and_with_the_threads_of_a_search() {
        let xgboost = |rows, threads| estimate(ModelKind::Xgboost, rows, threads);
        assert!(xgboost(1_000_000, 1) < xgboost(10_000_000, 1));
        assert!(xgboost(1_000_000, 2) < xgboost(1_000_000, 8));
        assert_eq!(
            xgboost(1_000_000, BATCH),
            xgboost(1_000_000, 64),
            "a search uses no more threads than it has trials in a batch"
        );
        // One fit of all samples is more than a search of part of them on a few threads.
        assert_eq!(xgboost(10_000_000, 1), xgboost(10_000_000, 4));
        assert_eq!(
            estimate(ModelKind::Linear, 1_000_000, 1),
            estimate(ModelKind::Linear, 1_000_000, 8)
        );
    }

    /// W9: fewer threads are used where that makes a run fit, and a run that cannot fit is told.
    #[test]
    fn as_many_threads_are_used_as_fit() {
        let (kind, rows) = (ModelKind::Xgboost, 500_000);
        for threads in 1..8 {
            let limit = estimate(kind, rows, threads);
            assert_eq!(threads_within(limit, kind, rows, 8), Some(threads));
            assert_eq!(threads_within(limit, kind, rows, 1), Some(1));
        }
        assert_eq!(threads_within(estimate(kind, rows, 1) - 1, kind, rows, 8), None);
    }

    proptest! {
        #[test]
        fn no_number_of_samples_is_too_large_to_estimate(rows: u64, threads: usize) {
            for kind in ModelKind::ALL {
                prop_assert!(estimate(*kind, rows, threads) >= BASE);
            }
        }
    }
}
