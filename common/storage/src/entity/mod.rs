//! The tables as sea-orm sees them; nothing outside this crate does.

pub(crate) mod api_key;
pub(crate) mod data_file;
pub(crate) mod dataset;
pub(crate) mod event;
pub(crate) mod file_decision;
pub(crate) mod freeze;
pub(crate) mod model;
pub(crate) mod promotion;
pub(crate) mod traffic;
