//! The parts of XGBoost's own JSON that a prediction depends on.
//!
//! The schema is in XGBoost's repository, `doc/model.schema`; version 1.6.2 writes it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use super::{fault::TreeFault, tree::Tree};
use crate::pauses::pause;

/// What kind of model it is: all that other kinds have in common with ours.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) learner: HeaderLearner,
}

#[derive(Deserialize)]
pub(super) struct HeaderLearner {
    pub(super) gradient_booster: Named,
    pub(super) objective: Named,
}

/// Anything with a name.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct BoosterForm {
    pub(super) learner: LearnerForm,
}

#[derive(Deserialize)]
pub(super) struct LearnerForm {
    #[serde(default)]
    pub(super) feature_names: Vec<String>,
    pub(super) gradient_booster: GradientBoosterForm,
    pub(super) learner_model_param: ParamForm,
    pub(super) objective: Named,
}

/// XGBoost writes these numbers as texts.
#[derive(Deserialize)]
pub(super) struct ParamForm {
    pub(super) base_score: String,
    pub(super) num_feature: String,
}

#[derive(Deserialize)]
pub(super) struct GradientBoosterForm {
    pub(super) name: String,
    pub(super) model: ModelForm,
}

#[derive(Deserialize)]
pub(super) struct ModelForm {
    /// The class that each tree is for.
    pub(super) tree_info: Vec<i64>,
    /// Each tree is checked as soon as it is parsed, for its form is far larger.
    #[serde(deserialize_with = "trees")]
    pub(super) trees: Vec<Result<Tree, TreeFault>>,
}

fn trees<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Result<Tree, TreeFault>>, D::Error> {
    deserializer.deserialize_seq(TreesVisitor)
}

struct TreesVisitor;

impl<'de> Visitor<'de> for TreesVisitor {
    type Value = Vec<Result<Tree, TreeFault>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of trees")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut trees = Vec::new();
        while let Some(form) = list.next_element::<TreeForm>()? {
            trees.push(Tree::try_from(&form));
            pause();
        }
        Ok(trees)
    }
}

/// A tree as parallel arrays, one element per node; node 0 is the root, -1 no child.
#[derive(Deserialize)]
pub(super) struct TreeForm {
    pub(super) left_children: Vec<i64>,
    pub(super) right_children: Vec<i64>,
    /// Of a node that splits, the feature.
    pub(super) split_indices: Vec<u64>,
    /// Of a node that splits, the threshold: what is below goes left. Of a leaf, its value.
    pub(super) split_conditions: Vec<f32>,
    /// Whether a missing value goes left; 1.6 writes 0 and 1.
    pub(super) default_left: Vec<Flag>,
    /// How much of training passed through each node.
    pub(super) sum_hessian: Vec<f32>,
    /// 0 for a threshold, 1 for a set of categories.
    #[serde(default)]
    pub(super) split_type: Vec<u64>,
}

/// A truth value, which XGBoost writes as a number or as itself, depending on its version.
#[derive(Clone, Copy)]
pub(super) struct Flag(bool);

impl Flag {
    pub(super) fn is_set(self) -> bool {
        self.0
    }
}

// An untagged enum would make an error for each of the many numbers, and drop it.
impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a truth value")
    }

    fn visit_bool<E>(self, set: bool) -> Result<Flag, E> {
        Ok(Flag(set))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Flag, E> {
        Ok(Flag(number != 0))
    }
}
