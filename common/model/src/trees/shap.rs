//! How much each feature adds to a prediction: Shapley values where a feature that is not known
//! goes each way in the shares that training did.
//!
//! These are the values of the path-dependent TreeSHAP of Lundberg et al., "From local explanations to global
//! understanding with explainable AI for trees", 2020, which XGBoost computes too, but in single precision. Here they
//! are worked out leaf by leaf. A leaf is reached, if the features in *S* are known, with the product over all features
//! of *o* (known: 1 if the row goes that way, else 0) or *z* (not known: the share of training that did); both are 1 for
//! a feature that its path does not ask. Shapley's average over the orders in which features become known is that over
//! moments *u*, before which each of the others has become known with a chance of *u* (Owen, "Multilinear extensions of
//! games", 1972): a feature adds (*o* - *z*) ∫ ∏ (*z* + *u* (*o* - *z*)) d*u*, the product over the others. That is a
//! polynomial in *u*, which few points integrate exactly.
//!
//! Eight leaves at a time, from whatever trees: all do the same, with other numbers. None of it hangs on the processor,
//! the order in which sums are made included.

use pulp::{Arch, NullaryFnOnce};

use super::tree::{Node, Subtree, Tree};
use crate::pauses::pause;

const FEATURES: usize = 9;
/// Leaves that are worked out side by side.
const LANES: usize = 8;
/// Moments and their weights, after Gauss and Legendre: exact to the ninth power, and there are eight others.
const MOMENTS: [(f64, f64); 5] = [
    (0.046_910_077_030_668_004, 0.118_463_442_528_094_54),
    (0.230_765_344_947_158_45, 0.239_314_335_249_683_24),
    (0.5, 0.284_444_444_444_444_44),
    (0.769_234_655_052_841_6, 0.239_314_335_249_683_24),
    (0.953_089_922_969_332, 0.118_463_442_528_094_54),
];

/// What a prediction is made of: base and effects add up to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contributions {
    /// The mean prediction over training, in US dollars.
    pub base: f64,
    /// What each feature adds to it, in the order of a row, in US dollars.
    pub effects: [f64; 9],
}

impl Contributions {
    /// Those of `trees`, whose leaves are added to `start`, for `row`.
    pub(super) fn of(trees: &[Tree], row: &[f32; 9], start: f64) -> Self {
        Self::on(Arch::new(), trees, row, start)
    }

    fn on(processor: Arch, trees: &[Tree], row: &[f32; 9], start: f64) -> Self {
        let mut walk = Walk {
            row,
            known: [1.0; FEATURES],
            unknown: [1.0; FEATURES],
            leaves: Leaves::default(),
            number: 0,
            sums: Sums::default(),
            processor,
        };
        for tree in trees {
            walk.descend(tree.root());
            pause();
        }
        let Sums { base, effects } = walk.end();
        Self {
            base: start + base.iter().sum::<f64>(),
            effects: effects.map(|effect| effect.iter().sum()),
        }
    }
}

/// One number for each of the leaves side by side.
type Lanes = [f64; LANES];

/// Leaves: what they are worth, and how they are reached.
#[derive(Default)]
struct Leaves {
    value: Lanes,
    /// By feature: *o*.
    known: [Lanes; FEATURES],
    /// By feature: *z*.
    unknown: [Lanes; FEATURES],
}

/// What leaves add up to; each place among those side by side has a sum of its own.
#[derive(Default)]
struct Sums {
    base: Lanes,
    effects: [Lanes; FEATURES],
}

/// A walk to every leaf.
struct Walk<'r> {
    row: &'r [f32; 9],
    /// By feature: whether the row goes the way to where the walk is, 1 or 0.
    known: [f64; FEATURES],
    /// By feature: the share of training that did.
    unknown: [f64; FEATURES],
    leaves: Leaves,
    /// How many of the leaves have been reached; the others are of before.
    number: usize,
    sums: Sums,
    processor: Arch,
}

impl Walk<'_> {
    /// Adds the leaves beneath `subtree`.
    fn descend(&mut self, subtree: Subtree<'_>) {
        match subtree.node() {
            Node::Leaf(value) => self.add(f64::from(value)),
            Node::Split(split) => {
                let feature = usize::from(split.feature);
                let left = f64::from(u8::from(split.goes_left(self.row)));
                let (known, unknown) = (self.known[feature], self.unknown[feature]);
                (self.known[feature], self.unknown[feature]) = (known * left, unknown * split.left_share);
                self.descend(subtree.left());
                let (right, right_share) = (1.0 - left, 1.0 - split.left_share);
                (self.known[feature], self.unknown[feature]) = (known * right, unknown * right_share);
                self.descend(subtree.right(&split));
                (self.known[feature], self.unknown[feature]) = (known, unknown);
            }
        }
    }

    /// Adds a leaf, once there are enough.
    fn add(&mut self, value: f64) {
        let lane = self.number;
        self.leaves.value[lane] = value;
        for feature in 0..FEATURES {
            self.leaves.known[feature][lane] = self.known[feature];
            self.leaves.unknown[feature][lane] = self.unknown[feature];
        }
        self.number += 1;
        if self.number == LANES {
            self.sum();
        }
    }

    fn sum(&mut self) {
        self.number = 0;
        self.processor.dispatch(Add {
            leaves: &self.leaves,
            sums: &mut self.sums,
        });
    }

    fn end(mut self) -> Sums {
        self.leaves.value[self.number..].fill(0.0);
        self.sum();
        self.sums
    }
}

/// Adds leaves to sums. All of it is inlined into what is compiled for the processor at hand.
struct Add<'a> {
    leaves: &'a Leaves,
    sums: &'a mut Sums,
}

impl NullaryFnOnce for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Leaves {
            value,
            known,
            unknown,
        } = self.leaves;
        let mut effects = [[0.0; LANES]; FEATURES];
        for (moment, weight) in MOMENTS {
            let mut factors = *unknown;
            for (factor, known) in factors.iter_mut().zip(known) {
                for lane in 0..LANES {
                    factor[lane] += moment * (known[lane] - factor[lane]);
                }
            }
            // The product of the others: of those before, then of those behind.
            let mut others = [[weight; LANES]; FEATURES];
            for feature in 1..FEATURES {
                for lane in 0..LANES {
                    others[feature][lane] = others[feature - 1][lane] * factors[feature - 1][lane];
                }
            }
            let mut behind = *value;
            for feature in (0..FEATURES).rev() {
                for lane in 0..LANES {
                    effects[feature][lane] += others[feature][lane] * behind[lane];
                    behind[lane] *= factors[feature][lane];
                }
            }
        }
        let mut base = *value;
        for feature in 0..FEATURES {
            let (known, unknown) = (&known[feature], &unknown[feature]);
            let (sum, effect) = (&mut self.sums.effects[feature], &effects[feature]);
            for lane in 0..LANES {
                sum[lane] += effect[lane] * (known[lane] - unknown[lane]);
                base[lane] *= unknown[lane];
            }
        }
        for (sum, base) in self.sums.base.iter_mut().zip(base) {
            *sum += base;
        }
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
            let lesser = Contributions::on(Arch::Scalar, &trees, &row, 1000.0);
            prop_assert_eq!(lesser, Contributions::of(&trees, &row, 1000.0));
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
