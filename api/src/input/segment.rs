//! The variable part of a path.

use std::{fmt::Display, str::FromStr};

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::problem::Problem;

/// The text that stands in a path's only variable part; one that is no text is a page that is not there.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text))
            .map_err(|_| Problem::not_found("such page: its path is not UTF-8"))
    }
}

/// What a text in a path names, if it is written in the one way that we write it: `+1` and `01` are not other names of 1.
pub(crate) fn canonical<T: FromStr + Display>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use domain::{ModelVersion, Sha256};
    use uuid::Uuid;

    use super::*;

    /// S17: one thing has one path.
    #[test]
    fn a_thing_has_one_name_in_paths() {
        assert!(canonical::<ModelVersion>("10").is_some());
        for other in [
            "",
            "0",
            "010",
            "+10",
            "-10",
            " 10",
            "10.0",
            "99999999999999999999",
        ] {
            assert!(canonical::<ModelVersion>(other).is_none(), "{other:?}");
        }
        let id = Uuid::from_u128(0xabcdef);
        assert_eq!(canonical(&id.to_string()), Some(id));
        for other in [
            id.simple().to_string(),
            id.urn().to_string(),
            id.to_string().to_uppercase(),
        ] {
            assert_eq!(canonical::<Uuid>(&other), None, "{other}");
        }
        let sha256 = Sha256::of(b"");
        assert_eq!(canonical(&sha256.to_string()), Some(sha256));
        assert_eq!(canonical::<Sha256>(&sha256.to_string().to_uppercase()), None);
    }
}
