//! Who calls, by the key that came with the request.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use domain::{
    Sha256,
    key::{ApiKey, Role},
};

use crate::{problem::Problem, record::KeyUsed, service::App};

const WHAT_TO_SEND: &str = "send an operator's key, as the header `Authorization: Bearer KEY`";

/// An operator: a handler that takes one runs for a working operator's key only.
///
/// The key is looked up at every request, so a revoked one is refused from then on.
pub(crate) struct Operator(pub(crate) ApiKey);

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = bearer(&parts.headers).ok_or_else(|| unknown("this needs a key"))?;
        let key = app.backend.database.working_key(Sha256::of(text)).await?;
        let key = key.ok_or_else(|| unknown("this key does not work: it is wrong, or was revoked"))?;
        if let Some(used) = parts.extensions.get::<KeyUsed>() {
            used.set(key.id);
        }
        match key.role {
            Role::Operator => Ok(Self(key)),
            Role::Client => Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("this key is a client's, and only operators may do this: {WHAT_TO_SEND}"),
            )),
        }
    }
}

fn unknown(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, format!("{why}; {WHAT_TO_SEND}"))
}

/// The key's text: <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>; the scheme in any case.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, text) = value.split_at_checked(b"Bearer ".len())?;
    let text = text.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_as_a_bearer_token_and_in_no_other_way() {
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(read("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(read("bearer  abc"), Some(b"abc".to_vec()));
        for wrong in ["", "Bearer", "Bearer ", "abc", "Basic YWJjOmRlZg=="] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
