//! How much each feature adds to a prediction: Shapley values where a feature that is not known
//! goes each way in the shares that training did.
//!
//! This is the path-dependent TreeSHAP of Lundberg et al., "From local explanations to global
//! understanding with explainable AI for trees", 2020, which XGBoost computes too, but in single
//! precision. Here it is worked out leaf by leaf. A leaf is reached, if the features in *S* are known,
//! with the product over its path's features of *o* (known: 1 if the row goes that way, else 0) or
//! *z* (not known: the share of training that did). Shapley's average over the orders of a product is
//! a sum over the sizes of *S*, whose terms are the coefficients of ∏ (*z* + *o* t).

use super::tree::{Node, Split, Subtree, Tree};

/// What a prediction is made of: base and effects add up to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contributions {
    /// The mean prediction over training, in US dollars.
    pub base: f64,
    /// What each feature adds to it, in the order of a row, in US dollars.
    pub effects: [f64; 9],
}

impl Contributions {
    /// Adds those of `tree` for `row`.
    pub(super) fn add(&mut self, tree: &Tree, row: &[f32; 9]) {
        self.descend(tree.root(), row, &Path::default());
    }

    fn descend(&mut self, subtree: Subtree<'_>, row: &[f32; 9], path: &Path) {
        match subtree.node() {
            Node::Leaf(value) => self.add_leaf(f64::from(value), path),
            Node::Split(split) => {
                let (left, right) = path.ways(&split, row);
                self.descend(subtree.left(), row, &left);
                self.descend(subtree.right(&split), row, &right);
            }
        }
    }

    fn add_leaf(&mut self, value: f64, path: &Path) {
        self.base += value * path.share();
        let weights = path.weights();
        for (feature, effect) in self.effects.iter_mut().enumerate() {
            if path.asked[feature] {
                *effect += value * path.effect(feature, &weights);
            }
        }
    }
}

/// The questions on the way to a node, those to one feature taken together.
#[derive(Debug, Clone, Copy)]
struct Path {
    asked: [bool; 9],
    /// Whether the row goes this way; true where nothing was asked.
    goes: [bool; 9],
    /// The share of training that went this way; 1 where nothing was asked.
    shares: [f64; 9],
}

impl Default for Path {
    fn default() -> Self {
        Self {
            asked: [false; 9],
            goes: [true; 9],
            shares: [1.0; 9],
        }
    }
}

/// A path's polynomial ∏ (z + t) over the features by which the row goes this way, and what
/// Shapley's formula weighs a set of each size with.
struct Weights {
    /// Coefficients by power.
    product: [f64; 10],
    /// Its degree: how many features the row goes by.
    degree: usize,
    /// By the size of the set.
    of_size: [f64; 9],
    /// The shares of the other features, multiplied.
    rest: f64,
}

impl Path {
    /// The ways on to the left and to the right child.
    fn ways(&self, split: &Split, row: &[f32; 9]) -> (Self, Self) {
        let goes_left = split.goes_left(row);
        let way = |goes, share| {
            let mut way = *self;
            let feature = usize::from(split.feature);
            way.asked[feature] = true;
            way.goes[feature] &= goes;
            way.shares[feature] *= share;
            way
        };
        (
            way(goes_left, split.left_share),
            way(!goes_left, 1.0 - split.left_share),
        )
    }

    /// The share of training that came here, as if the features were independent.
    fn share(&self) -> f64 {
        self.shares.iter().product()
    }

    fn weights(&self) -> Weights {
        let mut weights = Weights {
            product: [0.0; 10],
            degree: 0,
            of_size: [0.0; 9],
            rest: 1.0,
        };
        weights.product[0] = 1.0;
        for feature in (0..9).filter(|feature| self.asked[*feature]) {
            if self.goes[feature] {
                weights.multiply(self.shares[feature]);
            } else {
                weights.rest *= self.shares[feature];
            }
        }
        weights.weigh(self.asked.iter().filter(|asked| **asked).count());
        weights
    }

    /// What `feature`, which is asked on the path, adds to reaching the leaf.
    fn effect(&self, feature: usize, weights: &Weights) -> f64 {
        let share = self.shares[feature];
        if self.goes[feature] {
            (1.0 - share) * weights.rest * weights.sum_without(share)
        } else {
            -weights.rest * weights.sum()
        }
    }
}

impl Weights {
    /// Multiplies the product by (`share` + t).
    fn multiply(&mut self, share: f64) {
        self.degree += 1;
        for power in (0..=self.degree).rev() {
            let lower = if power == 0 { 0.0 } else { self.product[power - 1] };
            self.product[power] = self.product[power] * share + lower;
        }
    }

    /// Shapley's weights among `features`: size! (features - 1 - size)! / features!
    fn weigh(&mut self, features: usize) {
        let mut weight = 1.0 / features as f64;
        for size in 0..features {
            self.of_size[size] = weight;
            weight *= (size + 1) as f64 / (features - 1 - size).max(1) as f64;
        }
    }

    /// The weighted sum of the product's coefficients.
    fn sum(&self) -> f64 {
        let terms = self.product.iter().zip(&self.of_size).take(self.degree + 1);
        terms.map(|(coefficient, weight)| coefficient * weight).sum()
    }

    /// The same of the product without its factor (`share` + t), by long division from the top.
    fn sum_without(&self, share: f64) -> f64 {
        let (mut sum, mut coefficient) = (0.0, 0.0);
        for power in (0..self.degree).rev() {
            coefficient = self.product[power + 1] - share * coefficient;
            sum += coefficient * self.of_size[power];
        }
        sum
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
