//! Where the checkout and the private servers are.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The top of the checkout whose tests run: asked for at run time, since checkouts may share a target folder.
///
/// # Errors
///
/// When the test is not run by cargo.
pub fn checkout() -> Result<PathBuf> {
    let package = env::var("CARGO_MANIFEST_DIR").context("run the tests with cargo")?;
    let top = Path::new(&package)
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists());
    Ok(top.context("no Cargo.lock above the package")?.to_owned())
}

/// From the environment, or from the file that `scripts/servers.sh start` writes.
pub(crate) fn setting(name: &str) -> Result<String> {
    if let Ok(value) = env::var(name) {
        return Ok(value);
    }
    let file = checkout()?.join(".local/servers.env");
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!("{name} is not set and {file:?} is missing: run scripts/servers.sh start")
    })?;
    let find = |line: &str| {
        Some(
            line.strip_prefix(name)?
                .strip_prefix('=')?
                .trim_matches(['"', '\''])
                .to_owned(),
        )
    };
    text.lines()
        .find_map(find)
        .with_context(|| format!("{file:?} has no {name}"))
}
