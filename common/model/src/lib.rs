//! Prices from features: predictors, the artifact format, scores, and the gate.
//!
//! Everything in here is pure: no I/O, no clock, no randomness but from a fixed seed, and no input
//! makes it panic; but `pauses` calls what its thread was told to call. What trains models (`learn`)
//! is behind the feature `learners`, which only the trainer turns on; whoever serves a model compiles
//! no numerics library.
//!
//! To add a kind of model: a variant of [`domain::ModelKind`] and of [`Predictor`], its data and
//! prediction beside `linear`, its learner beside `learn::linear`; the compiler names the rest.

pub mod artifact;
#[cfg(feature = "learners")]
mod coverage;
mod estimate;
mod features;
#[cfg(test)]
mod fixture;
pub mod gate;
mod golden;
#[cfg(feature = "learners")]
pub mod learn;
pub mod linear;
pub mod pauses;
pub mod predict;
mod quality;
mod range;
pub mod ranges;
pub mod reasons;
pub mod score;
pub mod split;
#[cfg(any(test, feature = "learners"))]
mod trained;
pub mod trees;

pub use artifact::{Artifact, ArtifactError};
pub use predict::Predictor;
pub use ranges::Ranges;
pub use score::score;
pub use split::{Split, split};
#[cfg(any(test, feature = "learners"))]
pub use trained::Trained;
