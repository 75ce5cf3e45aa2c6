//! One tree, checked: every child exists, nothing goes in circles, every number is finite.

use super::{
    MAX_DEPTH,
    fault::TreeFault,
    form::{Flag, TreeForm},
};

/// Nodes in preorder: the root is first, and a left child follows its parent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Node {
    Leaf(f32),
    Split(Split),
}

/// A question to one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    /// Place in a row.
    pub(super) feature: u8,
    pub(super) missing_left: bool,
    /// What is below goes left.
    pub(super) threshold: f32,
    right: u32,
    before: u32,
    /// How much of the training that came here went left, between 0 and 1.
    pub(super) left_share: f64,
}

impl Split {
    /// Whether `row` goes left, as XGBoost decides it: compared as single precision.
    pub(super) fn goes_left(&self, row: &[f32; 9]) -> bool {
        let value = row[usize::from(self.feature)];
        if value.is_nan() {
            self.missing_left
        } else {
            value < self.threshold
        }
    }

    /// The left child's place, this split's being `place`.
    pub(super) fn left(place: usize) -> usize {
        place + 1
    }

    /// The right child's place among the nodes.
    pub(super) fn right(&self) -> usize {
        self.right as usize
    }

    /// The node that the last question to this feature on the way here led to; the root where there was none.
    pub(super) fn before(&self) -> usize {
        self.before as usize
    }
}

/// A node and what is beneath it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subtree<'a> {
    tree: &'a Tree,
    place: usize,
}

impl<'a> Subtree<'a> {
    pub(super) fn node(self) -> Node {
        self.tree.nodes[self.place]
    }

    pub(super) fn left(self) -> Self {
        self.at(Split::left(self.place))
    }

    /// The other child of `split`, which is this node.
    pub(super) fn right(self, split: &Split) -> Self {
        self.at(split.right())
    }

    fn at(self, place: usize) -> Self {
        Self { place, ..self }
    }

    /// How many questions there are to the deepest leaf.
    pub(super) fn depth(self) -> u32 {
        match self.node() {
            Node::Leaf(_) => 0,
            Node::Split(split) => 1 + self.left().depth().max(self.right(&split).depth()),
        }
    }

    /// The mean leaf over training.
    pub(super) fn mean(self) -> f64 {
        match self.node() {
            Node::Leaf(value) => f64::from(value),
            Node::Split(split) => {
                split.left_share * self.left().mean() + (1.0 - split.left_share) * self.right(&split).mean()
            }
        }
    }
}

impl Tree {
    pub(super) fn root(&self) -> Subtree<'_> {
        Subtree { tree: self, place: 0 }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn splits(&self) -> impl Iterator<Item = &Split> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Leaf(_) => None,
            Node::Split(split) => Some(split),
        })
    }
}

impl TryFrom<&TreeForm> for Tree {
    type Error = TreeFault;

    fn try_from(form: &TreeForm) -> Result<Self, TreeFault> {
        check_lengths(form)?;
        let mut reader = Reader {
            form,
            seen: vec![false; form.left_children.len()],
            asked: [0; 9],
            nodes: Vec::new(),
        };
        reader.read(0, 0)?;
        Ok(Self { nodes: reader.nodes })
    }
}

fn check_lengths(form: &TreeForm) -> Result<(), TreeFault> {
    let nodes = form.left_children.len();
    let lengths = [
        form.right_children.len(),
        form.split_indices.len(),
        form.split_conditions.len(),
        form.default_left.len(),
        form.sum_hessian.len(),
    ];
    let types = form.split_type.len();
    let same = lengths.iter().all(|length| *length == nodes) && (types == 0 || types == nodes);
    if nodes == 0 || !same {
        return Err(TreeFault::Arrays);
    }
    Ok(())
}

/// Follows the children from the root, so that nodes which pruning left behind do not matter.
struct Reader<'a> {
    form: &'a TreeForm,
    seen: Vec<bool>,
    /// By feature: the node that its last question on the way led to.
    asked: [u32; 9],
    nodes: Vec<Node>,
}

impl Reader<'_> {
    /// Reads node `number`, `depth` questions from the root, and what is beneath it.
    fn read(&mut self, number: usize, depth: u32) -> Result<(), TreeFault> {
        if std::mem::replace(&mut self.seen[number], true) {
            return Err(TreeFault::TwoParents(number));
        }
        match self.children(number)? {
            None => {
                let leaf = Node::Leaf(self.condition(number)?);
                self.nodes.push(leaf);
                Ok(())
            }
            Some(_) if depth == MAX_DEPTH => Err(TreeFault::TooDeep),
            Some(children) => self.read_split(number, children, depth),
        }
    }

    fn read_split(
        &mut self,
        number: usize,
        (left, right): (usize, usize),
        depth: u32,
    ) -> Result<(), TreeFault> {
        let split = self.split(number, left, right)?;
        let (place, feature) = (self.nodes.len(), usize::from(split.feature));
        self.nodes.push(Node::Split(split));
        self.asked[feature] = Split::left(place) as u32;
        self.read(left, depth + 1)?;
        let right_place = self.nodes.len() as u32;
        self.nodes[place] = Node::Split(Split {
            right: right_place,
            ..split
        });
        self.asked[feature] = right_place;
        self.read(right, depth + 1)?;
        self.asked[feature] = split.before;
        Ok(())
    }

    /// The two children, or none of a leaf.
    fn children(&self, number: usize) -> Result<Option<(usize, usize)>, TreeFault> {
        match (self.form.left_children[number], self.form.right_children[number]) {
            (-1, -1) => Ok(None),
            (-1, _) | (_, -1) => Err(TreeFault::OneChild(number)),
            (left, right) => Ok(Some((self.child(number, left)?, self.child(number, right)?))),
        }
    }

    fn child(&self, parent: usize, child: i64) -> Result<usize, TreeFault> {
        let number = usize::try_from(child).ok();
        number
            .filter(|number| *number < self.seen.len())
            .ok_or(TreeFault::NoSuchChild(parent))
    }

    /// The node's split, whose right child has no place yet.
    fn split(&self, number: usize, left: usize, right: usize) -> Result<Split, TreeFault> {
        if self.form.split_type.get(number).is_some_and(|kind| *kind != 0) {
            return Err(TreeFault::Categories(number));
        }
        let feature = u8::try_from(self.form.split_indices[number]).ok();
        let feature = feature
            .filter(|feature| *feature < 9)
            .ok_or(TreeFault::NoSuchFeature(number))?;
        let (left, right) = (self.cover(left)?, self.cover(right)?);
        Ok(Split {
            feature,
            missing_left: self
                .form
                .default_left
                .get(number)
                .is_some_and(|flag: &Flag| flag.is_set()),
            threshold: self.condition(number)?,
            right: 0,
            before: self.asked[usize::from(feature)],
            left_share: left / (left + right),
        })
    }

    fn condition(&self, number: usize) -> Result<f32, TreeFault> {
        let condition = self.form.split_conditions[number];
        if condition.is_finite() {
            Ok(condition)
        } else {
            Err(TreeFault::NotFinite(number))
        }
    }

    fn cover(&self, number: usize) -> Result<f64, TreeFault> {
        let cover = f64::from(self.form.sum_hessian[number]);
        if cover > 0.0 && cover.is_finite() {
            Ok(cover)
        } else {
            Err(TreeFault::Cover(number))
        }
    }
}
