//! How a forest is laid out in memory: as this processor walks it fastest.

#[cfg(target_arch = "x86_64")]
use super::side_by_side::SideBySide;
use super::{fault::ForestError, one_by_one::OneByOne, questions::Questions, tree::Tree};

/// A forest laid out for walking.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Layout {
    #[cfg(target_arch = "x86_64")]
    SideBySide(SideBySide),
    OneByOne(OneByOne),
}

impl Layout {
    /// Lays out `trees`, none of which is deeper than `depth`.
    ///
    /// # Errors
    ///
    /// Where they ask too many different questions.
    pub(super) fn of(trees: &[Tree], depth: u32) -> Result<Self, ForestError> {
        let questions = Questions::of(trees)?;
        #[cfg(target_arch = "x86_64")]
        let questions = match SideBySide::of(trees, questions, depth) {
            Ok(layout) => return Ok(Self::SideBySide(layout)),
            Err(questions) => questions,
        };
        Ok(Self::OneByOne(OneByOne::of(trees, questions, depth)))
    }

    /// `start` and the leaves of `row`, summed in the order of the trees.
    pub(super) fn sum(&self, row: &[f32; 9], start: f32) -> f32 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::SideBySide(layout) => layout.sum(row, start),
            Self::OneByOne(layout) => layout.sum(row, start),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trees::testing::{self, Sketch, read};

    fn depth(trees: &[Tree]) -> u32 {
        trees.iter().map(|tree| tree.root().depth()).max().unwrap_or(0)
    }

    /// The trees in every layout that this processor can walk.
    fn layouts(trees: &[Tree]) -> Vec<Layout> {
        let questions = Questions::of(trees).unwrap();
        let depth = depth(trees);
        let one_by_one = Layout::OneByOne(OneByOne::of(trees, questions.clone(), depth));
        #[cfg(target_arch = "x86_64")]
        let side_by_side = SideBySide::of(trees, questions, depth).map(Layout::SideBySide);
        #[cfg(not(target_arch = "x86_64"))]
        let side_by_side = None;
        [one_by_one].into_iter().chain(side_by_side).collect()
    }

    /// Complete to this depth, each question another one.
    fn complete(depth: u32, from: f32) -> Sketch {
        if depth == 0 {
            return Sketch::leaf(from, 1.0);
        }
        let feature = depth as usize % 9;
        let children = [
            complete(depth - 1, from / 2.0),
            complete(depth - 1, from / 2.0 + 0.1),
        ];
        Sketch::split(feature, from, depth.is_multiple_of(2), children)
    }

    proptest! {
        #[test]
        fn every_layout_comes_to_the_leaves_that_the_plain_way_does(
            // Not deeper than what lies side by side: one that is would leave the others to one layout.
            sketches in proptest::collection::vec(testing::trees(7, 9), 0..70),
            rows in proptest::collection::vec(testing::rows(), 1..5),
        ) {
            for layout in layouts(&read(&sketches)) {
                for row in &rows {
                    let sum = sketches.iter().fold(7.0, |sum, sketch| sum + sketch.value(row));
                    prop_assert_eq!(layout.sum(row, 7.0).to_bits(), sum.to_bits());
                }
            }
        }
    }

    #[test]
    fn so_it_is_at_every_depth() {
        for depth in 0..=12 {
            let sketches: Vec<_> = (0..33).map(|number| complete(depth, number as f32)).collect();
            for layout in layouts(&read(&sketches)) {
                for row in [[0.0; 9], [3.3; 9], [f32::NAN; 9], [1e9; 9]] {
                    let sum: f32 = sketches.iter().map(|sketch| sketch.value(&row)).sum();
                    assert_eq!(layout.sum(&row, 0.0), sum, "depth {depth}, {row:?}");
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn trees_lie_side_by_side_where_the_processor_can_and_it_pays() {
        let is_side_by_side = |trees: &[Tree]| {
            let layout = Layout::of(trees, depth(trees)).unwrap();
            matches!(layout, Layout::SideBySide(_))
        };
        let asking = |questions: u32| {
            let thresholds = (0..questions).map(|threshold| threshold as f32);
            let leaves = || [Sketch::leaf(1.0, 1.0), Sketch::leaf(2.0, 1.0)];
            read(
                &thresholds
                    .map(|it| Sketch::split(8, it, true, leaves()))
                    .collect::<Vec<_>>(),
            )
        };
        let can = pulp::x86::V4::is_available();
        assert_eq!(is_side_by_side(&read(&[complete(7, 1.0)])), can);
        assert!(!is_side_by_side(&read(&[complete(8, 1.0)])));
        assert_eq!(is_side_by_side(&asking(2047)), can);
        assert!(!is_side_by_side(&asking(2048)));
    }

    #[test]
    fn a_row_ranks_behind_as_many_questions_as_it_goes_right_at() {
        let trees = read(&[complete(6, 40.0), complete(7, 9.0)]);
        let questions = Questions::of(&trees).unwrap();
        let most = questions.ranks(&[f32::INFINITY; 9]);
        assert_eq!(
            most.iter().copied().max().map(usize::from),
            Some(questions.largest_group())
        );
        assert_eq!(questions.ranks(&[f32::NEG_INFINITY; 9]), [0; 18]);
        let missing = questions.ranks(&[f32::NAN; 9]);
        for (group, (missing, most)) in missing.iter().zip(most).enumerate() {
            assert_eq!(*missing, if group % 2 == 1 { most } else { 0 });
        }
    }
}
