//! Black-box tests over the real binaries.

mod crashes;
mod data;
mod path;
mod versions;
