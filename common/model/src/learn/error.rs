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
        Self::Xgboost(Box::new(error))
    }
}

impl From<SpaceError> for LearnError {
    fn from(error: SpaceError) -> Self {
        Self::Search(Box::new(error))
    }
}
