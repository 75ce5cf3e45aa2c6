//! The questions of a forest, each once: a histogram has 256 thresholds for a feature, so many nodes ask the same.

use super::{
    fault::ForestError,
    tree::{Split, Tree},
};
use crate::pauses::pause;

/// The most different questions, so that the number of one takes two bytes and needs no check.
const MAX_QUESTIONS: usize = 1 << 16;
/// Each feature's questions are two groups: those where a missing value goes left, then those where it goes right.
#[cfg(any(test, target_arch = "x86_64"))]
pub(super) const GROUPS: usize = 18;

/// What a row answers to every question: whether it goes right.
pub(super) type Answers = [bool; MAX_QUESTIONS];

/// Questions without their trees.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Questions {
    /// The thresholds of each feature's groups, ascending.
    thresholds: Box<[[Vec<f32>; 2]; 9]>,
}

impl Questions {
    /// Those of `trees`.
    ///
    /// # Errors
    ///
    /// Where they ask too many different ones.
    pub(super) fn of(trees: &[Tree]) -> Result<Self, ForestError> {
        let mut thresholds = Box::<[[Vec<f32>; 2]; 9]>::default();
        for tree in trees {
            for split in tree.splits() {
                thresholds[usize::from(split.feature)][side(split)].push(split.threshold);
            }
            pause();
        }
        for thresholds in thresholds.as_flattened_mut() {
            pause();
            thresholds.sort_by(f32::total_cmp);
            thresholds.dedup_by_key(|threshold| threshold.to_bits());
        }
        let questions: usize = thresholds.as_flattened().iter().map(Vec::len).sum();
        if questions > MAX_QUESTIONS {
            return Err(ForestError::TooManyQuestions { questions });
        }
        Ok(Self { thresholds })
    }

    /// How many questions the largest group has.
    #[cfg(any(test, target_arch = "x86_64"))]
    pub(super) fn largest_group(&self) -> usize {
        let groups = self.thresholds.as_flattened();
        groups.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The group of the question that `split` asks, and its place there.
    pub(super) fn place(&self, split: &Split) -> (usize, usize) {
        let group = 2 * usize::from(split.feature) + side(split);
        let thresholds = &self.thresholds.as_flattened()[group];
        let place = thresholds.partition_point(|threshold| threshold.total_cmp(&split.threshold).is_lt());
        (group, place)
    }

    /// The number of the question that `split` asks: they are counted through all groups.
    pub(super) fn number(&self, split: &Split) -> u16 {
        let (group, place) = self.place(split);
        let groups = &self.thresholds.as_flattened()[..group];
        let before: usize = groups.iter().map(Vec::len).sum();
        (before + place) as u16
    }

    /// Answers every question for `row`, by number.
    pub(super) fn answer(&self, row: &[f32; 9], answers: &mut Answers) {
        let mut rest = &mut answers[..];
        for (value, groups) in row.iter().zip(self.thresholds.iter()) {
            for (missing, thresholds) in [false, true].into_iter().zip(groups) {
                let (here, after) = rest.split_at_mut(thresholds.len());
                if value.is_nan() {
                    here.fill(missing);
                } else {
                    for (answer, threshold) in here.iter_mut().zip(thresholds) {
                        *answer = value >= threshold;
                    }
                }
                rest = after;
            }
        }
    }

    /// How many questions of each group `row` answers by going right: these are the group's first ones. (Inlined, so
    /// that it is compiled for the processor that the caller is compiled for.)
    #[cfg(any(test, target_arch = "x86_64"))]
    #[inline(always)]
    pub(super) fn ranks(&self, row: &[f32; 9]) -> [u16; GROUPS] {
        let mut ranks = [0; GROUPS];
        for (group, rank) in ranks.iter_mut().enumerate() {
            let (value, thresholds) = (row[group / 2], &self.thresholds[group / 2][group % 2]);
            let mut right = 0_u32;
            for threshold in thresholds {
                right += u32::from(value >= *threshold);
            }
            let missing_right = group % 2 == 1;
            *rank = if value.is_nan() && missing_right {
                thresholds.len() as u16
            } else {
                right as u16
            };
        }
        ranks
    }
}

/// Where a missing value goes: 0 is left, 1 is right.
fn side(split: &Split) -> usize {
    usize::from(!split.missing_left)
}
