//! Why samples make no model.

use std::error::Error;

use super::xgboost::SpaceError;
use crate::linear::LinearFault;

/// Why training failed, told to the data scientist.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// Not enough to learn from.
    #[error("too few training samples: there are {have} and at least {needed} are needed; add data")]
    TooFewSamples {
        /// How many there are.
        have: usize,
        /// How many there must be.
        needed: usize,
    },
    /// Nothing to measure by.
    #[error("no sample fell on the holdout side; add data")]
    NoHoldout,
    /// Whoever it worked for said so.
    #[error("the training was cancelled")]
    Cancelled,
    /// A quality does not vary.
    #[error(
        "every training sample has {quality} {grade}: its effect cannot be told; add samples of another {quality}"
    )]
    OneGrade {
        /// `cut`, `color` or `clarity`.
        quality: &'static str,
        /// The only grade of it.
        grade: &'static str,
    },
    /// A column of the regression follows from the others.
    #[error(
        "{column} is constant or follows from the other features in every training sample: \
         its effect cannot be told; add samples in which it varies by itself"
    )]
    Collinear {
        /// The feature, and the grade where it is one.
        column: String,
    },
    /// A feature is too large to be squared and summed.
    #[error("{column} has values too large to fit; look for absurd ones among the training samples")]
    TooLarge {
        /// The feature.
        column: String,
    },
    /// The fit gave a coefficient that is no number.
    #[error("the fit is not finite: a coefficient of {feature} is no number")]
    NotFinite {
        /// The feature.
        feature: &'static str,
    },
    /// The trials of a search have nothing to fit on, or nothing to be compared on.
    #[error(
        "the {have} training samples are too few or too much alike to compare models on some of them; add other diamonds"
    )]
    OneSided {
        /// How many there are.
        have: usize,
    },
    /// No trial gave an error that is a number.
    #[error("no trial gave a finite error; look for absurd values among the training samples")]
    NoFiniteError,
    /// XGBoost refused the samples.
    #[error("XGBoost cannot fit these samples")]
    Xgboost(#[source] Box<dyn Error + Send + Sync>),
    /// There was no memory left for XGBoost.
    #[error(
        "there is not enough memory for XGBoost: give the trainer more, or let it use fewer threads (trainer.threads)"
    )]
    OutOfMemory(#[source] Box<dyn Error + Send + Sync>),
    /// The search broke down.
    #[error("the search cannot go on")]
    Search(#[source] Box<dyn Error + Send + Sync>),
    /// The solver gave up.
    #[error("least squares found no solution")]
    Solver(#[source] Box<dyn Error + Send + Sync>),
}

impl LearnError {
    /// An error where `have` samples are fewer than `needed`.
    pub(super) fn unless_enough(have: usize, needed: usize) -> Result<(), Self> {
        if have < needed {
            Err(Self::TooFewSamples { have, needed })
        } else {
            Ok(())
        }
    }
}

impl From<LinearFault> for LearnError {
    fn from(fault: LinearFault) -> Self {
        match fault {
            LinearFault::NotFinite(feature) => Self::NotFinite { feature },
            fault @ LinearFault::ReferenceHasEffect { .. } => Self::Solver(Box::new(fault)),
        }
    }
}

impl From<xgboost_rs::XGBError> for LearnError {
    fn from(error: xgboost_rs::XGBError) -> Self {
        // The text is all that the library gives.
        if is_allocation_failure(&error.to_string()) {
            Self::OutOfMemory(Box::new(error))
        } else {
            Self::Xgboost(Box::new(error))
        }
    }
}

/// What C++ says where it gets no memory.
fn is_allocation_failure(text: &str) -> bool {
    text.contains("bad_alloc")
}

impl From<SpaceError> for LearnError {
    fn from(error: SpaceError) -> Self {
        Self::Search(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W9: a lack of memory is told as such, not as something about the samples.
    #[test]
    fn what_xgboost_says_of_memory_is_told_from_what_it_says_of_samples() {
        assert!(is_allocation_failure("XGBoost error: std::bad_alloc"));
        let about_samples = "XGBoost error: Check failed: valid: Input data contains `inf` or `nan`";
        assert!(!is_allocation_failure(about_samples));
    }
}
