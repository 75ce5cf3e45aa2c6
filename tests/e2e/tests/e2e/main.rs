//! Black-box tests over the real binaries.

mod crashes;
mod data;
mod intake;
mod keys;
mod path;
mod rest;
mod silence;
mod traffic;
mod training;
mod versions;
