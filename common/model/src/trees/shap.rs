//! How much each feature adds to a prediction: Shapley values where a feature that is not known
//! goes each way in the shares that training did.
//!
//! This is the path-dependent TreeSHAP of Lundberg et al., "From local explanations to global
//! understanding with explainable AI for trees", 2020, which XGBoost computes too, but in single
//! precision. Here it is worked out leaf by leaf. A leaf is reached, if the features in *S* are known,
//! with the product over its path's features of *o* (known: 1 if the row goes that way, else 0) or
//! *z* (not known: the share of training that did). Shapley's average over the orders of a product is
//! a sum over the sizes of *S*, whose terms are the coefficients of ∏ (*z* + *o* t).

use super::tree::{Node, Subtree, Tree};

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
        self.descend(tree.root(), row, &mut Path::default());
    }

    /// Adds the leaves beneath `subtree`, which `path` leads to; it comes back as it was.
    fn descend(&mut self, subtree: Subtree<'_>, row: &[f32; 9], path: &mut Path) {
        match subtree.node() {
            Node::Leaf(value) => self.add_leaf(f64::from(value), path.steps()),
            Node::Split(split) => {
                let goes_left = split.goes_left(row);
                let place = path.place(split.feature);
                let before = (path.steps[place], path.features);
                path.features = path.features.max(place + 1);
                path.steps[place] = before.0.on(split.feature, goes_left, split.left_share);
                self.descend(subtree.left(), row, path);
                path.steps[place] = before.0.on(split.feature, !goes_left, 1.0 - split.left_share);
                self.descend(subtree.right(&split), row, path);
                (path.steps[place], path.features) = before;
            }
        }
    }

    /// Adds a leaf of `value`; what `steps` lead to it by which the row does not go, all add the same.
    fn add_leaf(&mut self, value: f64, steps: &[Step]) {
        let (mut product, mut rest) = (Product::default(), value);
        for step in steps {
            if step.goes {
                product.multiply(step.share);
            } else {
                rest *= step.share;
            }
        }
        self.base += rest * product.coefficients[0];
        let weights = &WEIGHTS[steps.len()];
        let missed = -rest * product.sum(weights);
        for step in steps {
            self.effects[usize::from(step.feature)] += if step.goes {
                (1.0 - step.share) * rest * product.sum_without(step.share, weights)
            } else {
                missed
            };
        }
    }
}

/// The questions to one feature on the way to a node, taken together.
#[derive(Debug, Clone, Copy)]
struct Step {
    feature: u8,
    /// Whether the row goes this way.
    goes: bool,
    /// The share of training that did.
    share: f64,
}

/// The way to a node: a step for each feature that is asked.
#[derive(Debug, Clone, Copy, Default)]
struct Path {
    steps: [Step; 9],
    features: usize,
}

impl Path {
    fn steps(&self) -> &[Step] {
        &self.steps[..self.features]
    }

    /// The place of the step of `feature`, or of the next one where it has none yet.
    fn place(&self, feature: u8) -> usize {
        let place = self.steps().iter().position(|step| step.feature == feature);
        place.unwrap_or(self.features)
    }
}

impl Step {
    /// With another question to its feature, which `share` of training went this way by.
    fn on(self, feature: u8, goes: bool, share: f64) -> Self {
        Self {
            feature,
            goes: self.goes & goes,
            share: self.share * share,
        }
    }
}

/// Where nothing was asked, everything goes.
impl Default for Step {
    fn default() -> Self {
        Self {
            feature: 0,
            goes: true,
            share: 1.0,
        }
    }
}

/// Shapley's weights, by the number of features and by the size of the set that one of them joins:
/// size! (features - 1 - size)! / features!
const WEIGHTS: [[f64; 9]; 10] = weights();

const fn weights() -> [[f64; 9]; 10] {
    let mut weights = [[0.0; 9]; 10];
    let mut features = 1;
    while features <= 9 {
        let mut weight = 1.0 / features as f64;
        let mut size = 0;
        while size < features {
            weights[features][size] = weight;
            size += 1;
            if size < features {
                weight *= size as f64 / (features - size) as f64;
            }
        }
        features += 1;
    }
    weights
}

/// The polynomial ∏ (z + t) over the features by which the row goes.
#[derive(Debug, Clone, Copy)]
struct Product {
    /// By power.
    coefficients: [f64; 10],
    degree: usize,
}

impl Default for Product {
    fn default() -> Self {
        let mut coefficients = [0.0; 10];
        coefficients[0] = 1.0;
        Self {
            coefficients,
            degree: 0,
        }
    }
}

impl Product {
    /// Multiplies by (`share` + t).
    fn multiply(&mut self, share: f64) {
        let mut lower = 0.0;
        for coefficient in &mut self.coefficients[..=self.degree] {
            (lower, *coefficient) = (*coefficient, *coefficient * share + lower);
        }
        self.degree += 1;
        self.coefficients[self.degree] = lower;
    }

    /// The sum of the coefficients, weighted by power.
    fn sum(&self, weights: &[f64; 9]) -> f64 {
        let terms = self.coefficients[..=self.degree].iter().zip(weights);
        terms.map(|(coefficient, weight)| coefficient * weight).sum()
    }

    /// The same of the product without its factor (`share` + t), by long division from the top.
    fn sum_without(&self, share: f64, weights: &[f64; 9]) -> f64 {
        let (mut sum, mut quotient) = (0.0, 0.0);
        let terms = self.coefficients[1..=self.degree].iter().zip(weights);
        for (coefficient, weight) in terms.rev() {
            quotient = coefficient - share * quotient;
            sum += quotient * weight;
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
