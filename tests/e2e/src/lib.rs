//! Black-box tests over the real binaries; see `tests/e2e`.
