//! API keys: who may call, and what for.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Asking: prices, similar samples, what is in the registry.
    Client,
    /// Deciding as well.
    Operator,
}

impl Role {
    /// The name, as tables and commands write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Operator => "operator",
        }
    }
}

/// A name that no role has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role; there are: client, operator")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "client" => Ok(Self::Client),
            "operator" => Ok(Self::Operator),
            _ => Err(UnknownRole(text.to_owned())),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An API key, without its text: that is known to whoever holds it, and here only its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its identity, which traffic records carry.
    pub id: Uuid,
    /// What it is for, or whose it is.
    pub name: String,
    /// What it is good for.
    pub role: Role,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stopped working; null while it works.
    pub revoked_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_survives_its_name_and_a_wrong_one_is_told_the_right_ones() {
        for role in [Role::Client, Role::Operator] {
            assert_eq!(role.name().parse(), Ok(role));
        }
        let error = "admin".parse::<Role>().unwrap_err().to_string();
        assert!(error.contains("client, operator"), "{error}");
    }
}
