//! Black-box tests of the crate, one binary.

#[cfg(test)]
mod boosted;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod trees;
