//! Black-box tests of the crate, one binary.

#[cfg(test)]
mod parity;
