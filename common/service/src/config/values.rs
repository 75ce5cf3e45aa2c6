//! How single values are read.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de::Error};
use url::Url;

const DAY_MS: u64 = 86_400_000;

/// A number of milliseconds, from 1 to a day.
pub(super) fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if (1..=DAY_MS).contains(&number) {
        return Ok(Duration::from_millis(number));
    }
    Err(D::Error::custom(format!(
        "{number} is not within 1 to {DAY_MS} milliseconds"
    )))
}

/// A list, or a text with commas as an environment variable has it.
pub(super) fn comma_separated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListOrText {
        List(Vec<String>),
        Text(String),
    }
    Ok(match ListOrText::deserialize(deserializer)? {
        ListOrText::List(list) => list,
        ListOrText::Text(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
    })
}

/// A number, or 0 for none.
pub(super) fn number_or_zero<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<NonZeroU32>, D::Error> {
    u32::deserialize(deserializer).map(NonZeroU32::new)
}

/// A path, absolute from here on: what the log says of it must mean the same everywhere.
pub(super) fn absolute_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    absolute(&path).map_err(|error| D::Error::custom(format!("{path:?} is no path: {error}")))
}

/// A URL, or a folder.
pub(super) fn store_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.contains("://") {
        // The parser's message does not repeat the text, which may hold a key.
        return Url::parse(&text).map_err(|error| D::Error::custom(format!("it is no URL: {error}")));
    }
    let folder = absolute(Path::new(&text))
        .ok()
        .and_then(|folder| Url::from_directory_path(folder).ok());
    folder.ok_or_else(|| D::Error::custom("it is neither a URL nor a folder"))
}
