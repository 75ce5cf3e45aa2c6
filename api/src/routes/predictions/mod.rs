//! `POST /v1/predictions` and `/v1/predictions/batch`: prices of diamonds.

pub(crate) mod batch;
mod json;
pub(crate) mod one;
mod price;
