//! `POST /v1/predictions` and `/v1/predictions/batch`: prices of diamonds.

pub(super) mod batch;
mod json;
pub(super) mod one;
mod price;
