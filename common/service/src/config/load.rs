//! Putting the three sources together.

use std::{
    env,
    path::{Path, PathBuf},
};

use config::{Environment, File, FileFormat};

use super::{Config, SettingError, check::check};

const DEFAULTS: &str = include_str!("../../../../config/default.toml");

/// Reads and checks the settings.
///
/// # Errors
/// One sentence about the first setting that is missing, unknown or wrong.
pub fn load() -> Result<Config, SettingError> {
    let file = env::var_os("LAPIDARY_CONFIG")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    from_sources(file.as_deref(), Environment::default())
}

fn from_sources(file: Option<&Path>, environment: Environment) -> Result<Config, SettingError> {
    let variables = environment
        .prefix("LAPIDARY")
        .prefix_separator("__")
        .separator("__")
        .ignore_empty(true);
    let mut sources = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(path) = file {
        sources = sources.add_source(File::from_str(&read(path)?, FileFormat::Toml));
    }
    let config = sources.add_source(variables).build()?.try_deserialize()?;
    check(&config)?;
    Ok(config)
}

/// The file's text, checked to be TOML here so that a mistake is reported with the file's name.
fn read(path: &Path) -> Result<String, SettingError> {
    let wrong = |reason: String| SettingError::File {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let parsed = config::Config::builder()
        .add_source(File::from_str(&text, FileFormat::Toml))
        .build();
    parsed.map_err(|error| wrong(error.to_string()))?;
    Ok(text)
}

#[cfg(test)]
mod tests;
