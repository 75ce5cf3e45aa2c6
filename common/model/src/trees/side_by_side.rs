//! A forest whose trees are walked thirty-two at a time, on processors with AVX-512.
//!
//! Trees lie side by side: one vector holds what thirty-two of them ask at the same place, so that one instruction
//! compares for all. From the root down, the questions of a level are halved as often as there are levels above, each
//! time by which way was gone there, until each tree's own question is left. Nothing is looked up in memory and no step
//! waits for another tree's: all that is asked is read, in order. That is little as long as trees are not deep, for every
//! level has twice the questions of the one above.
//!
//! A question is its place in its group, times 32, plus the group. Of a group, a row goes right at the first so many
//! ([`Questions::ranks`]), so it goes right where the question is below that rank times 32; and the vector of these holds
//! all groups, so that a question finds its rank by its own lowest five bits.

use std::arch::x86_64::__m512i;

use pulp::{NullaryFnOnce, cast, x86::V4};

use super::{
    questions::Questions,
    tree::{Node, Split, Subtree, Tree},
};
use crate::pauses::pause;

/// Trees side by side, and the groups that a question can tell apart.
const LANES: usize = 32;
/// Deeper forests have more questions than it pays to read: of 750 trees 7 deep, a row takes a sixth less
/// time than one by one, and of as many 8 deep twice as much.
const MAX_DEPTH: u32 = 7;
/// Ranks times [`LANES`] take two bytes.
const MAX_RANK: usize = u16::MAX as usize / LANES;

/// One number for each of the trees side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
struct Lanes([u16; LANES]);

/// That this processor has AVX-512.
#[derive(Debug, Clone, Copy)]
struct Avx512(V4);

impl PartialEq for Avx512 {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A forest laid out for walking many trees at a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SideBySide {
    processor: Avx512,
    questions: Questions,
    depth: u32,
    /// For every [`LANES`] trees 2^depth of them, by place: the children of *p* are at 2*p* and 2*p* + 1. The first is
    /// not used.
    asked: Vec<Lanes>,
    /// For every tree 2^depth of them, from left to right; those that are less deep are repeated.
    leaves: Vec<f32>,
}

impl SideBySide {
    /// Lays out `trees`, which ask `questions`, and none of which is deeper than `depth`.
    ///
    /// # Errors
    ///
    /// The questions, where this processor cannot or should not walk these trees so.
    pub(super) fn of(trees: &[Tree], questions: Questions, depth: u32) -> Result<Self, Questions> {
        let Some(processor) = V4::try_new().map(Avx512) else {
            return Err(questions);
        };
        if depth > MAX_DEPTH || questions.largest_group() > MAX_RANK {
            return Err(questions);
        }
        let places = 1 << depth;
        let mut layout = Self {
            processor,
            questions,
            depth,
            asked: vec![Lanes([0; LANES]); trees.len().div_ceil(LANES) * places],
            leaves: vec![0.0; trees.len() * places],
        };
        for (number, tree) in trees.iter().enumerate() {
            layout.lay(tree.root(), number, 1);
            pause();
        }
        Ok(layout)
    }

    /// Lays `subtree` of the tree with this number at `place`.
    fn lay(&mut self, subtree: Subtree<'_>, number: usize, place: usize) {
        let places = 1 << self.depth;
        match subtree.node() {
            Node::Leaf(value) => {
                let below = self.depth - place.ilog2();
                let first = number * places + (place << below) - places;
                self.leaves[first..first + (1 << below)].fill(value);
            }
            Node::Split(split) => {
                let vector = number / LANES * places + place;
                self.asked[vector].0[number % LANES] = self.question(&split);
                self.lay(subtree.left(), number, 2 * place);
                self.lay(subtree.right(&split), number, 2 * place + 1);
            }
        }
    }

    fn question(&self, split: &Split) -> u16 {
        let (group, place) = self.questions.place(split);
        (place * LANES + group) as u16
    }

    /// `start` and the leaves of `row`, summed in the order of the trees.
    pub(super) fn sum(&self, row: &[f32; 9], start: f32) -> f32 {
        match self.depth {
            0 => self.walk::<1>(row, start),
            1 => self.walk::<2>(row, start),
            2 => self.walk::<4>(row, start),
            3 => self.walk::<8>(row, start),
            4 => self.walk::<16>(row, start),
            5 => self.walk::<32>(row, start),
            6 => self.walk::<64>(row, start),
            _ => self.walk::<128>(row, start),
        }
    }

    fn walk<const PLACES: usize>(&self, row: &[f32; 9], start: f32) -> f32 {
        self.processor.0.vectorize(Walk::<PLACES> {
            layout: self,
            row,
            start,
        })
    }
}

/// A walk through all trees, each of `PLACES` leaves. What it calls is inlined into what is compiled for AVX-512;
/// closures would not be.
struct Walk<'a, const PLACES: usize> {
    layout: &'a SideBySide,
    row: &'a [f32; 9],
    start: f32,
}

impl<const PLACES: usize> NullaryFnOnce for Walk<'_, PLACES> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let SideBySide {
            processor,
            questions,
            asked,
            leaves,
            ..
        } = self.layout;
        let mut below = Lanes([0; LANES]);
        for (below, rank) in below.0.iter_mut().zip(questions.ranks(self.row)) {
            *below = rank * LANES as u16;
        }
        let (asked, _) = asked.as_chunks::<PLACES>();
        let (leaves, _) = leaves.as_chunks::<PLACES>();
        let mut sum = self.start;
        for (asked, leaves) in asked.iter().zip(leaves.chunks(LANES)) {
            let ends = Ways::new(processor.0, cast(below.0)).ends(asked);
            for (leaves, end) in leaves.iter().zip(ends) {
                sum += leaves[usize::from(end) & (PLACES - 1)];
            }
        }
        sum
    }
}

/// The ways through trees that lie side by side, as far as they have come.
struct Ways {
    processor: V4,
    /// By group, what questions a row goes right at: those that are below this.
    below: __m512i,
    /// By level, which trees' ways went right there.
    right: [u32; MAX_DEPTH as usize],
    /// The same by tree, a bit for each level, the last one the lowest.
    place: __m512i,
}

impl Ways {
    #[inline(always)]
    fn new(processor: V4, below: __m512i) -> Self {
        Self {
            processor,
            below,
            right: [0; MAX_DEPTH as usize],
            place: cast([0_u16; LANES]),
        }
    }

    /// Which of its leaves each tree's way ends at, from left to right.
    #[inline(always)]
    fn ends<const PLACES: usize>(mut self, asked: &[Lanes; PLACES]) -> [u16; LANES] {
        self.step::<1, PLACES>(asked);
        self.step::<2, PLACES>(asked);
        self.step::<4, PLACES>(asked);
        self.step::<8, PLACES>(asked);
        self.step::<16, PLACES>(asked);
        self.step::<32, PLACES>(asked);
        self.step::<64, PLACES>(asked);
        cast(self.place)
    }

    /// One level further, which has `NODES` questions, if there is such a level.
    #[inline(always)]
    fn step<const NODES: usize, const PLACES: usize>(&mut self, asked: &[Lanes; PLACES])
    where
        [__m512i; NODES]: Halve,
    {
        if NODES >= PLACES {
            return;
        }
        let V4 {
            avx512bw, avx512f, ..
        } = self.processor;
        let mut level = [self.below; NODES];
        for (vector, lanes) in level.iter_mut().zip(&asked[NODES..]) {
            *vector = cast(lanes.0);
        }
        let depth = NODES.ilog2() as usize;
        let question = level.halve(self.processor, &self.right, depth);
        let below = avx512bw._mm512_permutexvar_epi16(question, self.below);
        let right = avx512bw._mm512_cmplt_epu16_mask(question, below);
        let bit = avx512bw._mm512_maskz_set1_epi16(right, 1);
        self.right[depth] = right;
        self.place = avx512f._mm512_or_si512(avx512bw._mm512_add_epi16(self.place, self.place), bit);
    }
}

/// The questions of a level.
trait Halve {
    /// Each tree's own: the halves of them that ways did not go to are dropped, by the `depth` levels above, the lowest
    /// of them first.
    fn halve(self, processor: V4, right: &[u32; MAX_DEPTH as usize], depth: usize) -> __m512i;
}

impl Halve for [__m512i; 1] {
    #[inline(always)]
    fn halve(self, _: V4, _: &[u32; MAX_DEPTH as usize], _: usize) -> __m512i {
        self[0]
    }
}

macro_rules! halve {
    ($($nodes:literal)*) => {$(
        impl Halve for [__m512i; $nodes] {
            #[inline(always)]
            fn halve(self, processor: V4, right: &[u32; MAX_DEPTH as usize], depth: usize) -> __m512i {
                let mut half = [self[0]; $nodes / 2];
                for (one, [left_child, right_child]) in half.iter_mut().zip(self.as_chunks().0) {
                    *one = processor.avx512bw._mm512_mask_blend_epi16(right[depth - 1], *left_child, *right_child);
                }
                half.halve(processor, right, depth - 1)
            }
        }
    )*};
}

halve!(2 4 8 16 32 64);
