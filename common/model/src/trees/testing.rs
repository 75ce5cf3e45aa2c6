//! Small forests in XGBoost's JSON for the tests of reading, walking and explaining.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Forest, tree::Tree};

/// A tree as a test writes it.
#[derive(Debug, Clone)]
pub(super) enum Sketch {
    Leaf {
        value: f32,
        cover: f32,
    },
    Split {
        feature: usize,
        threshold: f32,
        missing_left: bool,
        children: Box<[Sketch; 2]>,
    },
}

impl Sketch {
    pub(super) fn leaf(value: f32, cover: f32) -> Self {
        Self::Leaf { value, cover }
    }

    pub(super) fn split(feature: usize, threshold: f32, missing_left: bool, children: [Self; 2]) -> Self {
        Self::Split {
            feature,
            threshold,
            missing_left,
            children: Box::new(children),
        }
    }

    pub(super) fn cover(&self) -> f32 {
        match self {
            Self::Leaf { cover, .. } => *cover,
            Self::Split { children, .. } => children.iter().map(Self::cover).sum(),
        }
    }

    /// The child that `row` goes to, the plain way.
    pub(super) fn next(&self, row: &[f32; 9]) -> Option<&Self> {
        match self {
            Self::Leaf { .. } => None,
            Self::Split {
                feature,
                threshold,
                missing_left,
                children,
            } => {
                let value = row[*feature];
                let left = if value.is_nan() {
                    *missing_left
                } else {
                    value < *threshold
                };
                Some(&children[usize::from(!left)])
            }
        }
    }

    /// The leaf that `row` comes to, the plain way.
    pub(super) fn value(&self, row: &[f32; 9]) -> f32 {
        match (self, self.next(row)) {
            (_, Some(child)) => child.value(row),
            (Self::Leaf { value, .. }, None) => *value,
            (Self::Split { .. }, None) => unreachable!("a split has children"),
        }
    }

    /// The tree in XGBoost's form: breadth first, as its nodes are numbered.
    pub(super) fn json(&self) -> Value {
        let mut nodes = vec![self];
        let (mut left, mut right, mut features) = (Vec::new(), Vec::new(), Vec::new());
        let (mut conditions, mut defaults, mut covers) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(&node) = nodes.get(at) {
            covers.push(node.cover());
            match node {
                Self::Leaf { value, .. } => {
                    left.push(-1);
                    right.push(-1);
                    features.push(0);
                    conditions.push(*value);
                    defaults.push(0);
                }
                Self::Split {
                    feature,
                    threshold,
                    missing_left,
                    children,
                } => {
                    left.push(nodes.len() as i64);
                    right.push(nodes.len() as i64 + 1);
                    features.push(*feature);
                    conditions.push(*threshold);
                    defaults.push(u8::from(*missing_left));
                    nodes.extend(children.iter());
                }
            }
            at += 1;
        }
        json!({
            "left_children": left, "right_children": right, "split_indices": features,
            "split_conditions": conditions, "default_left": defaults, "sum_hessian": covers,
            "split_type": vec![0; nodes.len()], "categories_nodes": [], "id": 0,
        })
    }
}

/// A model of `trees` that starts from 1000 dollars.
pub(super) fn json(trees: &[Sketch]) -> Value {
    json!({
        "learner": {
            "attributes": {},
            "feature_names": [],
            "gradient_booster": {
                "model": {
                    "tree_info": vec![0; trees.len()],
                    "trees": trees.iter().map(Sketch::json).collect::<Vec<_>>(),
                },
                "name": "gbtree",
            },
            "learner_model_param": {"base_score": "1E3", "num_class": "0", "num_feature": "9"},
            "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
        "version": [1, 6, 2],
    })
}

/// `trees` as they are read from a model.
pub(super) fn read(trees: &[Sketch]) -> Vec<Tree> {
    let read = |sketch: &Sketch| {
        let form = serde_json::from_value(sketch.json()).unwrap();
        Tree::try_from(&form).unwrap()
    };
    trees.iter().map(read).collect()
}

pub(super) fn forest(trees: &[Sketch]) -> Forest {
    Forest::read(&json(trees).to_string()).unwrap()
}

/// Trees of at most `depth` questions to `features` features, whose thresholds are few and whole, so
/// that rows meet them exactly.
pub(super) fn trees(depth: u32, features: usize) -> impl Strategy<Value = Sketch> {
    let leaf = (-100.0_f32..100.0, 1.0_f32..50.0).prop_map(|(value, cover)| Sketch::leaf(value, cover));
    leaf.prop_recursive(depth, 1 << depth, 2, move |child| {
        let split = (0..features, 0_u8..4, any::<bool>(), [child.clone(), child]);
        split.prop_map(|(feature, threshold, missing_left, children)| {
            Sketch::split(feature, threshold.into(), missing_left, children)
        })
    })
}

/// Rows that meet those thresholds, with gaps.
pub(super) fn rows() -> impl Strategy<Value = [f32; 9]> {
    let value = prop_oneof![
        4 => (0_u8..4).prop_map(f32::from),
        2 => -1.0_f32..5.0,
        1 => Just(f32::NAN),
        1 => prop_oneof![Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(-0.0_f32)],
    ];
    proptest::array::uniform9(value)
}
