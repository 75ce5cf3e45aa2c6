//! The quick way through a forest.
//!
//! Every tree is laid out as a complete one of the forest's depth: the children of place *p* are at
//! 2*p* and 2*p* + 1, so no node holds where its children are, and leaves that are less deep are
//! repeated beneath themselves. Different questions are few (a histogram has 256 thresholds for a
//! feature), so a row answers each of them once, side by side, 0 for left and 1 for right; a walk
//! then needs no comparison, no branch and no feature: *p* becomes 2*p* + answer. The processor
//! overlaps the walks of many trees by itself, for none depends on another.

use super::tree::{Node, Split, Subtree, Tree};

/// Questions without their trees.
#[derive(Debug, Clone, PartialEq)]
struct Questions {
    /// The thresholds asked of each feature, ascending: first those where a missing value goes left,
    /// then those where it goes right.
    thresholds: Box<[[Vec<f32>; 2]; 9]>,
    count: usize,
}

impl Questions {
    fn of(trees: &[Tree]) -> Self {
        let mut thresholds = Box::<[[Vec<f32>; 2]; 9]>::default();
        for split in trees.iter().flat_map(Tree::splits) {
            thresholds[usize::from(split.feature)][side(split)].push(split.threshold);
        }
        for thresholds in thresholds.as_flattened_mut() {
            thresholds.sort_by(f32::total_cmp);
            thresholds.dedup_by_key(|threshold| threshold.to_bits());
        }
        let count = thresholds.as_flattened().iter().map(Vec::len).sum();
        Self { thresholds, count }
    }

    /// The number of the question that `split` asks.
    fn number(&self, split: &Split) -> u32 {
        let group = 2 * usize::from(split.feature) + side(split);
        let groups = self.thresholds.as_flattened();
        let before: usize = groups[..group].iter().map(Vec::len).sum();
        let within = groups[group].partition_point(|threshold| threshold.total_cmp(&split.threshold).is_lt());
        (before + within) as u32
    }

    /// Answers every question for `row`: 0 is left, 1 is right.
    fn answer(&self, row: &[f32; 9], answers: &mut Vec<u8>) {
        answers.clear();
        for (value, groups) in row.iter().zip(self.thresholds.iter()) {
            for (missing, thresholds) in (0..).zip(groups) {
                if value.is_nan() {
                    answers.resize(answers.len() + thresholds.len(), missing);
                } else {
                    answers.extend(thresholds.iter().map(|threshold| u8::from(value >= threshold)));
                }
            }
        }
    }
}

/// Where a missing value goes: 0 is left, 1 is right.
fn side(split: &Split) -> usize {
    usize::from(!split.missing_left)
}

/// Numbers of questions. In two bytes where these do: the less there is of them, the more of it the processor has at
/// hand.
#[derive(Debug, Clone, PartialEq)]
enum Asked {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

impl Asked {
    fn of(numbers: Vec<u32>) -> Self {
        let short: Result<_, _> = numbers.iter().map(|number| u16::try_from(*number)).collect();
        short.map_or(Self::Long(numbers), Self::Short)
    }
}

/// A forest laid out for walking.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    questions: Questions,
    depth: u32,
    /// Per tree 2^depth numbers of questions, by place; the first is not used.
    asked: Asked,
    /// Per tree 2^depth leaves, from left to right.
    leaves: Vec<f32>,
}

impl Layout {
    /// Lays out `trees`, none of which is deeper than `depth`.
    pub(super) fn of(trees: &[Tree], depth: u32) -> Self {
        let places = trees.len() << depth;
        let mut plan = Plan {
            questions: Questions::of(trees),
            depth,
            asked: vec![0; places],
            leaves: vec![0.0; places],
        };
        for (tree, first) in trees.iter().zip((0..).step_by(1 << depth)) {
            plan.lay(tree.root(), first, 1, 0);
        }
        Self {
            questions: plan.questions,
            depth,
            asked: Asked::of(plan.asked),
            leaves: plan.leaves,
        }
    }

    /// `start` and the leaves of `row`, summed in the order of the trees.
    pub(super) fn sum(&self, row: &[f32; 9], start: f32) -> f32 {
        self.sum_with(row, start, &mut self.room())
    }

    /// As [`sum`](Self::sum), for each of `rows`.
    pub(super) fn sums(&self, rows: &[[f32; 9]], start: f32) -> Vec<f32> {
        let mut room = self.room();
        let sums = rows.iter().map(|row| self.sum_with(row, start, &mut room));
        sums.collect()
    }

    /// Room for the answers of a row.
    fn room(&self) -> Vec<u8> {
        Vec::with_capacity(self.questions.count)
    }

    fn sum_with(&self, row: &[f32; 9], start: f32, answers: &mut Vec<u8>) -> f32 {
        self.questions.answer(row, answers);
        match &self.asked {
            Asked::Short(asked) => self.walk(asked, answers, start),
            Asked::Long(asked) => self.walk(asked, answers, start),
        }
    }

    fn walk<N: Copy + Into<u64>>(&self, asked: &[N], answers: &[u8], start: f32) -> f32 {
        let leaves = &self.leaves;
        match self.depth {
            0 => walk::<1, N>(asked, leaves, answers, start),
            1 => walk::<2, N>(asked, leaves, answers, start),
            2 => walk::<4, N>(asked, leaves, answers, start),
            3 => walk::<8, N>(asked, leaves, answers, start),
            4 => walk::<16, N>(asked, leaves, answers, start),
            5 => walk::<32, N>(asked, leaves, answers, start),
            6 => walk::<64, N>(asked, leaves, answers, start),
            7 => walk::<128, N>(asked, leaves, answers, start),
            8 => walk::<256, N>(asked, leaves, answers, start),
            9 => walk::<512, N>(asked, leaves, answers, start),
            10 => walk::<1024, N>(asked, leaves, answers, start),
            11 => walk::<2048, N>(asked, leaves, answers, start),
            _ => walk::<4096, N>(asked, leaves, answers, start),
        }
    }
}

/// A layout in the making.
struct Plan {
    questions: Questions,
    depth: u32,
    asked: Vec<u32>,
    leaves: Vec<f32>,
}

impl Plan {
    /// Lays `subtree` at `place`, `level` questions beneath its tree's root, the tree being at `first`.
    fn lay(&mut self, subtree: Subtree<'_>, first: usize, place: usize, level: u32) {
        match subtree.node() {
            Node::Leaf(value) => {
                let below = self.depth - level;
                let leaf = first + (place << below) - (1 << self.depth);
                self.leaves[leaf..][..1 << below].fill(value);
            }
            Node::Split(split) => {
                self.asked[first + place] = self.questions.number(&split);
                self.lay(subtree.left(), first, 2 * place, level + 1);
                self.lay(subtree.right(&split), first, 2 * place + 1, level + 1);
            }
        }
    }
}

/// Walks every tree, each of `PLACES` = 2^depth: with the number known, the steps are unrolled and a place needs no
/// check.
fn walk<const PLACES: usize, N: Copy + Into<u64>>(
    asked: &[N],
    leaves: &[f32],
    answers: &[u8],
    start: f32,
) -> f32 {
    let (asked, _) = asked.as_chunks::<PLACES>();
    let (leaves, _) = leaves.as_chunks::<PLACES>();
    let mut sum = start;
    for (asked, leaves) in asked.iter().zip(leaves) {
        let mut place = 1;
        for _ in 0..PLACES.trailing_zeros() {
            let question: u64 = asked[place & (PLACES - 1)].into();
            place = 2 * place + usize::from(answers[question as usize]);
        }
        sum += leaves[place & (PLACES - 1)];
    }
    sum
}
