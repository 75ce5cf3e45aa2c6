//! How much each feature adds to a prediction: Shapley values where a feature that is not known
//! goes each way in the shares that training did.
//!
//! These are the values of the path-dependent TreeSHAP of Lundberg et al., "From local explanations to global
//! understanding with explainable AI for trees", 2020, which XGBoost computes too, but in single precision. Here they
//! are integrals. A leaf is reached, if the features in *S* are known, with the product over all features of *o* (known:
//! 1 if the row goes that way, else 0) or *z* (not known: the share of training that did); both are 1 for a feature that
//! its path does not ask. Shapley's average over the orders in which features become known is that over moments *u*,
//! before which each of the others has become known with a chance of *u* (Owen, "Multilinear extensions of games", 1972):
//! a feature adds (*o* - *z*) ∫ ∏ (*z* + *u* (*o* - *z*)) d*u* times the leaf, the product over the others. That is a
//! polynomial in *u*, which few points integrate exactly.
//!
//! All leaves beneath one answer have that feature's *o* and *z* in common, until it is asked again. So each tree is walked
//! once down, with the products over all features, and once back, with the sums of leaves times product, from which a
//! feature's own factor is divided out at its question: Yu et al., "Linear TreeSHAP", 2022, do the like with the
//! polynomials themselves. The moments are worked out side by side. None of it hangs on the processor, the order in which
//! sums are made included.

use pulp::{Arch, NullaryFnOnce};

use super::tree::{Node, Split, Tree};
use crate::pauses::pause;

const FEATURES: usize = 9;
/// A moment and its weight, after Gauss and Legendre: so many are exact to the power of twice their number, less one.
type Moments<const N: usize> = [(f64, f64); N];
/// Enough where a way asks eight features: each then has seven others.
const FOUR: Moments<4> = [
    (0.069_431_844_202_973_71, 0.173_927_422_568_726_93),
    (0.330_009_478_207_571_87, 0.326_072_577_431_273_07),
    (0.669_990_521_792_428_1, 0.326_072_577_431_273_07),
    (0.930_568_155_797_026_3, 0.173_927_422_568_726_93),
];
/// Enough for all nine.
const FIVE: Moments<5> = [
    (0.046_910_077_030_668_004, 0.118_463_442_528_094_54),
    (0.230_765_344_947_158_45, 0.239_314_335_249_683_24),
    (0.5, 0.284_444_444_444_444_44),
    (0.769_234_655_052_841_6, 0.239_314_335_249_683_24),
    (0.953_089_922_969_332, 0.118_463_442_528_094_54),
];
/// What a share of training counts as at the least: one that is rounded to nothing could not be divided out.
const LEAST_SHARE: f64 = 1e-200;

/// What a prediction is made of: base and effects add up to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contributions {
    /// The mean prediction over training, in US dollars.
    pub base: f64,
    /// What each feature adds to it, in the order of a row, in US dollars.
    pub effects: [f64; 9],
}

/// What each feature adds to `row`'s leaf of each of `trees`, which ask no more than `depth` questions on one way.
pub(super) fn effects(trees: &[Tree], depth: u32, row: &[f32; 9]) -> [f64; 9] {
    on(Arch::new(), trees, depth, row)
}

fn on(processor: Arch, trees: &[Tree], depth: u32, row: &[f32; 9]) -> [f64; 9] {
    if depth < FEATURES as u32 {
        integrated(processor, &FOUR, trees, row)
    } else {
        integrated(processor, &FIVE, trees, row)
    }
}

fn integrated<const N: usize>(
    processor: Arch,
    moments: &Moments<N>,
    trees: &[Tree],
    row: &[f32; 9],
) -> [f64; 9] {
    let largest = trees.iter().map(|tree| tree.nodes().len()).max().unwrap_or(0);
    let mut ways = vec![Way::start(moments); largest];
    let mut effects = [[0.0; N]; FEATURES];
    for tree in trees {
        processor.dispatch(Add {
            tree,
            row,
            moments,
            ways: &mut ways[..tree.nodes().len()],
            effects: &mut effects,
        });
        pause();
    }
    effects.map(|moments| moments.iter().sum())
}

/// The way to a node.
#[derive(Clone, Copy)]
struct Way<const N: usize> {
    /// At each moment: the product over all features, times the moment's weight.
    reached: [f64; N],
    /// At each moment: 1 ÷ the factor of the feature that was asked last.
    inverse: [f64; N],
    /// That feature's *o*.
    known: f64,
    /// That feature's *z*.
    unknown: f64,
}

impl<const N: usize> Way<N> {
    /// The way to the root, where nothing was asked.
    fn start(moments: &Moments<N>) -> Self {
        Self {
            reached: moments.map(|(_, weight)| weight),
            inverse: [1.0; N],
            known: 1.0,
            unknown: 1.0,
        }
    }
}

/// Adds one tree to `effects`. All of it is inlined into what is compiled for the processor at hand.
struct Add<'a, const N: usize> {
    tree: &'a Tree,
    row: &'a [f32; 9],
    moments: &'a Moments<N>,
    /// By node; that to the root is the start.
    ways: &'a mut [Way<N>],
    /// By feature, at each moment.
    effects: &'a mut [[f64; N]; FEATURES],
}

impl<const N: usize> NullaryFnOnce for Add<'_, N> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        let nodes = self.tree.nodes();
        self.ways[0].reached = self.moments.map(|(_, weight)| weight);
        for (place, node) in nodes.iter().enumerate() {
            match node {
                Node::Leaf(value) => self.end(place, f64::from(*value)),
                Node::Split(split) => self.ask(place, split),
            }
        }
        for (place, node) in nodes.iter().enumerate().rev() {
            if let Node::Split(split) = node {
                self.add(place, split);
            }
        }
    }
}

impl<const N: usize> Add<'_, N> {
    /// From a leaf on, `reached` is what it adds up to.
    #[inline(always)]
    fn end(&mut self, place: usize, value: f64) {
        for reached in &mut self.ways[place].reached {
            *reached *= value;
        }
    }

    /// Goes both ways from `split`.
    #[inline(always)]
    fn ask(&mut self, place: usize, split: &Split) {
        let before = &self.ways[split.before()];
        let mut others = self.ways[place].reached;
        for (others, inverse) in others.iter_mut().zip(before.inverse) {
            *others *= inverse;
        }
        let left = f64::from(u8::from(split.goes_left(self.row)));
        let (known, unknown) = (before.known, before.unknown);
        self.go(
            Split::left(place),
            &others,
            known * left,
            unknown * split.left_share,
        );
        let (right, right_share) = (1.0 - left, 1.0 - split.left_share);
        self.go(split.right(), &others, known * right, unknown * right_share);
    }

    #[inline(always)]
    fn go(&mut self, place: usize, others: &[f64; N], known: f64, unknown: f64) {
        let way = &mut self.ways[place];
        way.known = known;
        way.unknown = unknown.max(LEAST_SHARE);
        for (moment, (at, _)) in self.moments.iter().enumerate() {
            let factor = way.unknown + at * (known - way.unknown);
            way.reached[moment] = others[moment] * factor;
            way.inverse[moment] = 1.0 / factor;
        }
    }

    /// Adds what the feature of `split` does to the leaves beneath, in the place of what its question before would have
    /// done to them.
    #[inline(always)]
    fn add(&mut self, place: usize, split: &Split) {
        let (left, right) = (&self.ways[Split::left(place)], &self.ways[split.right()]);
        let before = &self.ways[split.before()];
        let [by_left, by_right, by_before] = [left, right, before].map(|way| way.known - way.unknown);
        let effect = &mut self.effects[usize::from(split.feature)];
        let mut beneath = left.reached;
        for (moment, beneath) in beneath.iter_mut().enumerate() {
            *beneath += right.reached[moment];
            effect[moment] += left.reached[moment] * left.inverse[moment] * by_left
                + right.reached[moment] * right.inverse[moment] * by_right
                - *beneath * before.inverse[moment] * by_before;
        }
        self.ways[place].reached = beneath;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trees::testing::{self, Sketch};
    use proptest::prelude::*;

    /// The mean leaf of `tree` where only the features in the set `known` are.
    fn expectation(tree: &Sketch, row: &[f32; 9], known: usize) -> f64 {
        match tree {
            Sketch::Leaf { value, .. } => f64::from(*value),
            Sketch::Split { feature, .. } if known >> feature & 1 == 1 => {
                tree.next(row).map_or(0.0, |child| expectation(child, row, known))
            }
            Sketch::Split { children, .. } => {
                let cover: f64 = children.iter().map(|child| f64::from(child.cover())).sum();
                let part = |child: &Sketch| f64::from(child.cover()) * expectation(child, row, known);
                children.iter().map(part).sum::<f64>() / cover
            }
        }
    }

    /// Shapley's formula, set by set.
    fn brute_force(trees: &[Sketch], row: &[f32; 9]) -> Contributions {
        let value = |known: usize| -> f64 {
            trees
                .iter()
                .map(|tree| expectation(tree, row, known))
                .sum::<f64>()
        };
        let values: Vec<f64> = (0..512).map(value).collect();
        let factorial = |n: u32| f64::from((1..=n).product::<u32>());
        let effect = |feature: usize| -> f64 {
            let without = (0..512_usize).filter(|known| known >> feature & 1 == 0);
            let part = |known: usize| {
                let size = known.count_ones();
                let weight = factorial(size) * factorial(8 - size) / factorial(9);
                weight * (values[known | 1 << feature] - values[known])
            };
            without.map(part).sum()
        };
        Contributions {
            base: 1000.0 + values[0],
            effects: std::array::from_fn(effect),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn contributions_are_those_of_shapleys_formula(
            trees in proptest::collection::vec(testing::trees(7, 9), 1..4),
            row in testing::rows(),
        ) {
            let (found, expected) = (testing::forest(&trees).contributions(&row), brute_force(&trees, &row));
            prop_assert!((found.base - expected.base).abs() < 1e-9, "{:?} {:?}", found, expected);
            for (found, expected) in found.effects.iter().zip(expected.effects) {
                prop_assert!((found - expected).abs() < 1e-9, "{} {}", found, expected);
            }
        }

        #[test]
        fn contributions_add_up_to_the_price(
            trees in proptest::collection::vec(testing::trees(8, 9), 1..8),
            row in testing::rows(),
        ) {
            let found = testing::forest(&trees).contributions(&row);
            let leaves = trees.iter().map(|tree| f64::from(tree.value(&row)));
            let price = 1000.0 + leaves.sum::<f64>();
            prop_assert!((found.base + found.effects.iter().sum::<f64>() - price).abs() < 1e-9);
        }

        #[test]
        fn contributions_are_the_same_to_the_last_bit_on_a_lesser_processor(
            sketches in proptest::collection::vec(testing::trees(7, 9), 1..8),
            row in testing::rows(),
        ) {
            let trees = testing::read(&sketches);
            for depth in [7, 9] {
                let lesser = on(Arch::Scalar, &trees, depth, &row);
                prop_assert_eq!(lesser, effects(&trees, depth, &row));
            }
        }

        /// Shapley's axiom of the dummy.
        #[test]
        fn a_feature_that_no_tree_asks_for_adds_nothing(
            trees in proptest::collection::vec(testing::trees(6, 5), 1..5),
            row in testing::rows(),
        ) {
            prop_assert_eq!(&testing::forest(&trees).contributions(&row).effects[5..], &[0.0; 4]);
        }

        /// Shapley's axiom of symmetry: the trees are those of a pair that changes places.
        #[test]
        fn features_that_do_the_same_add_the_same(tree in testing::trees(6, 2), mut row in testing::rows()) {
            row[1] = row[0];
            let swapped = swap(&tree);
            let effects = testing::forest(&[tree, swapped]).contributions(&row).effects;
            prop_assert!((effects[0] - effects[1]).abs() < 1e-9, "{:?}", effects);
        }
    }

    /// As many others as a feature can have: the highest power that moments have to be exact to.
    #[test]
    fn all_features_on_one_way_share_by_shapleys_formula_as_well() {
        let deeper = |tree, feature: usize| {
            let cover = 1.0 + feature as f32;
            let other = Sketch::leaf(100.0 * cover, cover);
            Sketch::split(feature, 1.0, true, [tree, other])
        };
        let tree = (0..9).fold(Sketch::leaf(-5000.0, 0.5), deeper);
        for row in [[0.0; 9], [2.0; 9], [0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]] {
            let found = testing::forest(std::slice::from_ref(&tree)).contributions(&row);
            let expected = brute_force(std::slice::from_ref(&tree), &row);
            for (found, expected) in found.effects.iter().zip(expected.effects) {
                assert!((found - expected).abs() < 1e-9, "{found} {expected} of {row:?}");
            }
        }
    }

    #[test]
    fn a_share_that_is_rounded_to_nothing_divides_nothing_by_nothing() {
        let next = |feature, child| {
            let rare = Sketch::split(feature, 2.0, true, [Sketch::leaf(3.0, 1e-30), child]);
            Sketch::split(feature, 1.0, true, [Sketch::leaf(5.0, 1e10), rare])
        };
        let tree = next(0, next(1, Sketch::leaf(7.0, 1e-30)));
        for row in [
            [0.0; 9],
            [1.0; 9],
            [2.0; 9],
            [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        ] {
            let found = testing::forest(std::slice::from_ref(&tree)).contributions(&row);
            let expected = brute_force(std::slice::from_ref(&tree), &row);
            for (found, expected) in found.effects.iter().zip(expected.effects) {
                assert!((found - expected).abs() < 1e-9, "{found} {expected} of {row:?}");
            }
        }
    }

    /// `tree` with features 0 and 1 for each other.
    fn swap(tree: &Sketch) -> Sketch {
        match tree {
            Sketch::Leaf { .. } => tree.clone(),
            Sketch::Split {
                feature,
                threshold,
                missing_left,
                children,
            } => {
                let [left, right] = children.as_ref();
                Sketch::split(1 - feature, *threshold, *missing_left, [swap(left), swap(right)])
            }
        }
    }
}
