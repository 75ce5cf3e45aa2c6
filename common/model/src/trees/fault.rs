//! Why a text is no forest that can be walked.

use super::{MAX_DEPTH, MAX_PLACES};

/// Why XGBoost's JSON is refused.
#[derive(Debug, thiserror::Error)]
pub enum ForestError {
    /// Not JSON, or not of the shape that XGBoost writes.
    #[error("this is not the JSON of an XGBoost model")]
    Malformed(#[source] serde_json::Error),
    /// Made of something else than trees, or of trees with weights.
    #[error("booster {0:?} is not read; only gbtree is")]
    Booster(String),
    /// Its sum of leaves is not the price.
    #[error("objective {0:?} is not read; only reg:squarederror is")]
    Objective(String),
    /// Trained on other columns.
    #[error("the model has {0} features, and a diamond has 9")]
    Features(String),
    /// Trained on other columns, or on these in another order.
    #[error("feature {position} is named {name:?}, and should be {expected:?}")]
    FeatureName {
        /// Its place, from 0.
        position: usize,
        /// What the model calls it.
        name: String,
        /// What a diamond's row has there.
        expected: &'static str,
    },
    /// The score that the sum starts from is no finite number.
    #[error("base score {0:?} is not a finite number")]
    BaseScore(String),
    /// More than one sum, or not every tree told.
    #[error("the trees belong to more than one class, or some to none")]
    Classes,
    /// A tree is no tree.
    #[error("tree {tree} cannot be walked")]
    Tree {
        /// Its place, from 0.
        tree: usize,
        /// What is wrong with it.
        #[source]
        fault: TreeFault,
    },
    /// It would take too much memory.
    #[error("{trees} trees of depth {depth} are too many; at most {MAX_PLACES} leaves are held")]
    TooLarge {
        /// How many trees.
        trees: usize,
        /// The depth of the deepest.
        depth: u32,
    },
    /// Numbers of two bytes do not tell them apart.
    #[error("the trees ask {questions} different questions; at most 65536 are told apart")]
    TooManyQuestions {
        /// How many.
        questions: usize,
    },
}

/// What is wrong with a tree; nodes are numbered as XGBoost does, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeFault {
    /// It has no node, or its arrays differ in length.
    #[error("it has no nodes, or its arrays differ in length")]
    Arrays,
    /// A node is reached on two ways, or from beneath itself.
    #[error("node {0} has two parents or is its own descendant")]
    TwoParents(usize),
    /// A child is no node of the tree.
    #[error("node {0} has a child that does not exist")]
    NoSuchChild(usize),
    /// A node has one child.
    #[error("node {0} has one child only")]
    OneChild(usize),
    /// It is deeper than is read.
    #[error("it is more than {MAX_DEPTH} deep")]
    TooDeep,
    /// A node splits by a feature that a diamond does not have.
    #[error("node {0} splits by a feature that does not exist")]
    NoSuchFeature(usize),
    /// A node splits by categories.
    #[error("node {0} splits by categories, which are not read")]
    Categories(usize),
    /// A threshold or a leaf is not a finite number.
    #[error("the threshold or leaf of node {0} is not a finite number")]
    NotFinite(usize),
    /// The share of training in a node is unknown.
    #[error("the cover of node {0} is not above 0")]
    Cover(usize),
}
