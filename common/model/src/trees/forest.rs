//! A gradient-boosted forest: read from XGBoost's JSON, walked and explained.

use super::{
    Contributions, MAX_PLACES,
    fault::{ForestError, TreeFault},
    form::{BoosterForm, Header, LearnerForm, ModelForm, ParamForm},
    layout::Layout,
    shap,
    tree::Tree,
};
use crate::{features::NAMES, pauses::pause};

/// The trees of an XGBoost model and the score that their leaves are added to.
///
/// It predicts what XGBoost 1.6.2 does, bit for bit: a value is compared as single precision, a
/// missing one (NaN) goes where the tree says, and the leaves are added one by one, in the trees'
/// order, to the base score. Rows are those of a diamond: carat, cut, color, clarity (ranks, the
/// worst is 0), depth, table, x, y, z.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    base_score: f32,
    trees: Vec<Tree>,
    /// The deepest tree's depth.
    depth: u32,
    /// The mean price over training.
    mean: f64,
    layout: Layout,
}

impl Forest {
    /// Reads the JSON that XGBoost saves a model as.
    ///
    /// # Errors
    ///
    /// Where it is not that, or the model is of another booster or objective, of other features, or
    /// no number comes out of it for every row; see [`ForestError`].
    pub fn read(json: &str) -> Result<Self, ForestError> {
        let form: BoosterForm = serde_json::from_str(json).map_err(|error| why_unread(json, error))?;
        Self::of(form)
    }

    /// [`read`](Self::read), once it is known to be JSON of this shape. (What is of another booster may
    /// have another, and is then malformed, with no better reason.)
    pub(super) fn of(form: BoosterForm) -> Result<Self, ForestError> {
        check_kind(&form.learner.gradient_booster.name, &form.learner.objective.name)?;
        let base_score = base_score(&form.learner.learner_model_param)?;
        check_features(&form.learner)?;
        let trees = trees(form.learner.gradient_booster.model)?;
        let (mut depth, mut mean) = (0, f64::from(base_score));
        for tree in &trees {
            depth = depth.max(tree.root().depth());
            mean += tree.root().mean();
            pause();
        }
        if trees.len() > MAX_PLACES >> depth {
            return Err(ForestError::TooLarge {
                trees: trees.len(),
                depth,
            });
        }
        Ok(Self {
            base_score,
            depth,
            mean,
            layout: Layout::of(&trees, depth)?,
            trees,
        })
    }

    /// The price of `row`, in US dollars.
    #[must_use]
    pub fn predict(&self, row: &[f32; 9]) -> f32 {
        self.layout.sum(row, self.base_score)
    }

    /// The price of each of `rows`, in US dollars.
    #[must_use]
    pub fn predict_batch(&self, rows: &[[f32; 9]]) -> Vec<f32> {
        rows.iter().map(|row| self.predict(row)).collect()
    }

    /// What the price of `row` is made of. The parts are summed in double precision, and differ in
    /// sum from [`predict`](Self::predict) by what single precision rounds away.
    #[must_use]
    pub fn contributions(&self, row: &[f32; 9]) -> Contributions {
        Contributions {
            base: self.mean,
            effects: shap::effects(&self.trees, self.depth, row),
        }
    }
}

/// Another booster or objective has another shape: then that is the reason.
fn why_unread(json: &str, error: serde_json::Error) -> ForestError {
    let other = serde_json::from_str(json).ok().and_then(|Header { learner }| {
        check_kind(&learner.gradient_booster.name, &learner.objective.name).err()
    });
    other.unwrap_or(ForestError::Malformed(error))
}

fn check_kind(booster: &str, objective: &str) -> Result<(), ForestError> {
    if booster != "gbtree" {
        return Err(ForestError::Booster(booster.to_owned()));
    }
    if objective != "reg:squarederror" {
        return Err(ForestError::Objective(objective.to_owned()));
    }
    Ok(())
}

fn base_score(param: &ParamForm) -> Result<f32, ForestError> {
    let score = param.base_score.parse().ok();
    score
        .filter(|score: &f32| score.is_finite())
        .ok_or_else(|| ForestError::BaseScore(param.base_score.clone()))
}

/// The features may have no names; where they have, they are those of a row.
fn check_features(learner: &LearnerForm) -> Result<(), ForestError> {
    let found = &learner.learner_model_param.num_feature;
    if found != "9" {
        return Err(ForestError::Features(found.clone()));
    }
    let names = learner.feature_names.iter().zip(NAMES).enumerate();
    for (position, (name, expected)) in names {
        if name != expected {
            return Err(ForestError::FeatureName {
                position,
                name: name.clone(),
                expected,
            });
        }
    }
    Ok(())
}

fn trees(model: ModelForm) -> Result<Vec<Tree>, ForestError> {
    if model.tree_info.len() != model.trees.len() || model.tree_info.iter().any(|class| *class != 0) {
        return Err(ForestError::Classes);
    }
    let checked = |(tree, checked): (usize, Result<Tree, TreeFault>)| {
        checked.map_err(|fault| ForestError::Tree { tree, fault })
    };
    model.trees.into_iter().enumerate().map(checked).collect()
}

#[cfg(test)]
mod tests;
