//! Black-box tests of the crate, one binary.

#[cfg(test)]
mod boosted;
#[cfg(test)]
mod notebook;
#[cfg(test)]
mod outliers;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod ranges;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod search;
#[cfg(test)]
mod stones;
#[cfg(test)]
mod trees;
