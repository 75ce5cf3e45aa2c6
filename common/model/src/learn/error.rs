//! Why samples make no model.

use std::error::Error;

use domain::ModelKind;

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
    /// Nothing trains this kind yet.
    #[error("there is no learner for {0} yet")]
    NoLearner(ModelKind),
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
