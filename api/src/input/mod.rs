//! What clients send, read at the edge: every fault of it is found, each with its place and what to do about it.

mod body;
mod diamond;
mod faults;
mod fields;
mod json;
mod query;
mod segment;

pub(crate) use body::{JsonBody, JsonText, body_fault, too_large, whole};
pub(crate) use diamond::{CARATS, diamond, grade_text, quantity_value};
pub(crate) use faults::{Faults, Place};
pub(crate) use fields::{Fields, FromJson};
pub(crate) use json::Json;
pub(crate) use query::{FromQuery, Params, Query, digits, query};
pub(crate) use segment::{Segment, canonical};
