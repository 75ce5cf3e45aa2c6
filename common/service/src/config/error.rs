//! One sentence about one setting.

use std::path::PathBuf;

use config::ConfigError;

/// Sections whose values may hold a password: a message about them says what was expected, not what was found.
const SECRET_SECTIONS: [&str; 2] = ["postgres", "rabbitmq"];

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// It has no default and nobody set it.
    #[error(
        "setting `{name}` is missing: set {}, or put it into the file that LAPIDARY_CONFIG names",
        variable(name)
    )]
    Missing {
        /// `section.key`.
        name: String,
    },
    /// Its value cannot be.
    #[error("setting `{name}` ({}) is wrong: {reason}", variable(name))]
    Wrong {
        /// `section.key`.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It does not exist, or is wrong in a way that only the reader of settings can tell.
    #[error("the settings are wrong: {0}")]
    Unreadable(String),
    /// The file that `LAPIDARY_CONFIG` names cannot be read.
    #[error("cannot read the settings file {path:?} that LAPIDARY_CONFIG names: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

impl SettingError {
    pub(super) fn wrong(name: &str, reason: String) -> Self {
        Self::Wrong {
            name: name.to_owned(),
            reason,
        }
    }
}

/// The environment variable of a setting.
fn variable(name: &str) -> String {
    format!("LAPIDARY__{}", name.replace('.', "__").to_uppercase())
}

impl From<ConfigError> for SettingError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::NotFound(name) => Self::Missing { name },
            ConfigError::Type {
                key: Some(name),
                unexpected,
                expected,
                ..
            } => {
                let reason = match is_secret(&name) {
                    true => format!("expected {expected}"),
                    false => format!("expected {expected}, found {unexpected}"),
                };
                Self::Wrong { name, reason }
            }
            ConfigError::At {
                key: Some(name),
                error,
                ..
            } => Self::at(name, &error.to_string()),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

impl SettingError {
    /// serde names an unknown field only in its message, and the key is then the section's.
    fn at(name: String, message: &str) -> Self {
        let unknown = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split_once('`'));
        match unknown {
            Some((field, known)) => {
                let name = format!("{name}.{field}");
                Self::Wrong {
                    name,
                    reason: format!("there is no such setting{known}"),
                }
            }
            None => {
                let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
                let reason = match is_secret(&name) {
                    true => format!("expected {}", expected.unwrap_or("something else")),
                    false => message.to_owned(),
                };
                Self::Wrong { name, reason }
            }
        }
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_SECTIONS.iter().any(|section| name.starts_with(section))
}
