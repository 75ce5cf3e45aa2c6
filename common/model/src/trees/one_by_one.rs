//! A forest whose trees are walked one by one, on any processor.
//!
//! Every tree is laid out as a complete one of the forest's depth: the children of place *p* are at
//! 2*p* and 2*p* + 1, so no node holds where its children are, and leaves that are less deep are
//! repeated beneath themselves. A row answers each question once, side by side; a walk then needs no
//! comparison, no branch and no feature: *p* becomes 2*p* + answer. The processor overlaps the walks
//! of many trees by itself, for none depends on another. What it waits for is memory, so the last
//! three questions of every way lie with their leaves in one line of its cache: a tree of depth 6
//! takes one such line and a quarter, wherever a row goes.

use std::cell::RefCell;

use super::{
    questions::{Answers, Questions},
    tree::{Node, Subtree, Tree},
};
use crate::pauses::pause;

thread_local! {
    /// Made once for each thread: of these 64 KiB, a prediction writes as many bytes as there are questions.
    static ANSWERS: RefCell<Box<Answers>> = RefCell::new(Box::new([false; _]));
}

/// Questions at the bottom of a tree that share a [`Block`]: on each way to a leaf, so many.
const BLOCK_DEPTH: u32 = 3;
/// Leaves of a block.
const BLOCK: usize = 1 << BLOCK_DEPTH;

/// The bottom of a tree: questions by place, of which the first is not used, and leaves from left to right; in one
/// line of the processor's cache.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(align(64))]
struct Block {
    asked: [u16; BLOCK],
    leaves: [f32; BLOCK],
}

/// A forest laid out for walking tree by tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OneByOne {
    questions: Questions,
    /// At least [`BLOCK_DEPTH`].
    depth: u32,
    /// Per tree as many numbers of questions as it has blocks, by place; the first is not used.
    asked: Vec<u16>,
    /// Per tree 2^(depth - 3) of them, from left to right.
    blocks: Vec<Block>,
}

impl OneByOne {
    /// Lays out `trees`, which ask `questions`, and none of which is deeper than `depth`.
    pub(super) fn of(trees: &[Tree], questions: Questions, depth: u32) -> Self {
        let depth = depth.max(BLOCK_DEPTH);
        let blocks_of_tree = 1 << (depth - BLOCK_DEPTH);
        let mut layout = Self {
            questions,
            depth,
            asked: vec![0; trees.len() * blocks_of_tree],
            blocks: vec![Block::default(); trees.len() * blocks_of_tree],
        };
        for (tree, first) in trees.iter().zip((0..).step_by(blocks_of_tree)) {
            layout.lay(tree.root(), first, 1, 0);
            pause();
        }
        layout
    }

    /// Lays `subtree` at `place`, `level` questions beneath its tree's root, the tree's first block being `first`.
    fn lay(&mut self, subtree: Subtree<'_>, first: usize, place: usize, level: u32) {
        match subtree.node() {
            Node::Leaf(value) => {
                let below = self.depth - level;
                let leaf = (place << below) - (1 << self.depth);
                for leaf in leaf..leaf + (1 << below) {
                    self.blocks[first + leaf / BLOCK].leaves[leaf % BLOCK] = value;
                }
            }
            Node::Split(split) => {
                *self.question(first, place, level) = self.questions.number(&split);
                self.lay(subtree.left(), first, 2 * place, level + 1);
                self.lay(subtree.right(&split), first, 2 * place + 1, level + 1);
            }
        }
    }

    /// Where the question at `place` is laid down.
    fn question(&mut self, first: usize, place: usize, level: u32) -> &mut u16 {
        let top = self.depth - BLOCK_DEPTH;
        if level < top {
            return &mut self.asked[first + place];
        }
        let in_block = level - top;
        let block = (place >> in_block) - (1 << top);
        let place = (1 << in_block) + (place & ((1 << in_block) - 1));
        &mut self.blocks[first + block].asked[place]
    }

    /// `start` and the leaves of `row`, summed in the order of the trees.
    pub(super) fn sum(&self, row: &[f32; 9], start: f32) -> f32 {
        ANSWERS.with_borrow_mut(|answers| {
            self.questions.answer(row, answers);
            self.walk(answers, start)
        })
    }

    fn walk(&self, answers: &Answers, start: f32) -> f32 {
        let (asked, blocks) = (&self.asked, &self.blocks);
        match self.depth {
            0..=3 => walk::<1>(asked, blocks, answers, start),
            4 => walk::<2>(asked, blocks, answers, start),
            5 => walk::<4>(asked, blocks, answers, start),
            6 => walk::<8>(asked, blocks, answers, start),
            7 => walk::<16>(asked, blocks, answers, start),
            8 => walk::<32>(asked, blocks, answers, start),
            9 => walk::<64>(asked, blocks, answers, start),
            10 => walk::<128>(asked, blocks, answers, start),
            11 => walk::<256>(asked, blocks, answers, start),
            _ => walk::<512>(asked, blocks, answers, start),
        }
    }
}

/// Walks every tree, each of `BLOCKS` blocks: with the number known, the steps are unrolled and a place needs no check.
fn walk<const BLOCKS: usize>(asked: &[u16], blocks: &[Block], answers: &Answers, start: f32) -> f32 {
    let (asked, _) = asked.as_chunks::<BLOCKS>();
    let (blocks, _) = blocks.as_chunks::<BLOCKS>();
    let mut sum = start;
    for (asked, blocks) in asked.iter().zip(blocks) {
        let block = &blocks[descend(asked, answers)];
        sum += block.leaves[descend(&block.asked, answers)];
    }
    sum
}

/// Which of the `PLACES` ends below the questions `asked` is reached, from left to right.
#[inline(always)]
fn descend<const PLACES: usize>(asked: &[u16; PLACES], answers: &Answers) -> usize {
    let mut place = 1;
    for _ in 0..PLACES.trailing_zeros() {
        let question = asked[place & (PLACES - 1)];
        place = 2 * place + usize::from(answers[usize::from(question)]);
    }
    place & (PLACES - 1)
}
