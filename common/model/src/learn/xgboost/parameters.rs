//! What a model is fitted with.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Parameters of boosted trees, by the names that XGBoost gives them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// L2 penalty on the value of a leaf.
    pub lambda: f64,
    /// L1 penalty on the value of a leaf.
    pub alpha: f64,
    /// The share of the features that a tree may split on.
    pub colsample_bytree: f64,
    /// The share of the samples that a tree is grown from.
    pub subsample: f64,
    /// What each tree's answer is multiplied with.
    pub learning_rate: f64,
    /// The most splits between a tree's root and a leaf.
    pub max_depth: u32,
    /// The fewest samples of a leaf.
    pub min_child_weight: u32,
}

/// The most values of a feature that splits are looked for between.
const MAX_BIN: u32 = 128;

impl Parameters {
    /// All that XGBoost is told, so that nothing depends on its defaults: boosting starts from `base_score` dollars.
    pub(super) fn settings(&self, base_score: f64, seed: u64) -> HashMap<String, String> {
        let settings = [
            ("lambda", self.lambda.to_string()),
            ("alpha", self.alpha.to_string()),
            ("colsample_bytree", self.colsample_bytree.to_string()),
            ("subsample", self.subsample.to_string()),
            ("learning_rate", self.learning_rate.to_string()),
            ("max_depth", self.max_depth.to_string()),
            ("min_child_weight", self.min_child_weight.to_string()),
            ("base_score", base_score.to_string()),
            // XGBoost keeps 31 bits of it.
            ("seed", (seed & 0x7FFF_FFFF).to_string()),
            ("booster", "gbtree".to_owned()),
            ("objective", "reg:squarederror".to_owned()),
            ("tree_method", "hist".to_owned()),
            ("max_bin", MAX_BIN.to_string()),
            // More would sum in an order of their own, and collapse where cores are few.
            ("nthread", "1".to_owned()),
            ("verbosity", "0".to_owned()),
        ];
        settings.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
