//! Where the private servers are.

use std::{env, path::Path};

use anyhow::{Context as _, Result};

/// From the environment, or from the file that `scripts/servers.sh start` writes.
pub(crate) fn setting(name: &str) -> Result<String> {
    if let Ok(value) = env::var(name) {
        return Ok(value);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/servers.env");
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
