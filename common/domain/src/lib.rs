//! The words of Lapidary as types that cannot be wrong, and the pure rules about them.
//!
//! Nothing in here does I/O, reads a clock or awaits anything. Text and numbers from outside
//! (a CSV row, a JSON body, a table row) are parsed into these types once, at the edge; from
//! there on a [`Carat`] is a positive finite number and a [`Cut`] one of five grades.

pub mod cents;
pub mod dataset;
pub mod decision;
pub mod diamond;
pub mod event;
pub mod file;
pub mod grade;
pub mod hash;
pub mod key;
pub mod kind;
pub mod metrics;
pub mod model;
pub mod profile;
pub mod row;
pub mod run;
pub mod sha256;
pub mod traffic;
pub mod unit;
pub mod verdict;
pub mod version;

pub use diamond::{Diamond, PartialDiamond, Sample};
pub use grade::{Clarity, Color, Cut};
pub use hash::{DiamondHash, HoldoutHalf, InnerSide, SampleHash, Side};
pub use kind::ModelKind;
pub use sha256::Sha256;
pub use unit::{Carat, Millimeters, OutOfRange, Percent, Price};
pub use version::{DatasetVersion, ModelVersion, PromotionNumber};
