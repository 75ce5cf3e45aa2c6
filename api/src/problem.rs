//! Errors as RFC 9457 problems: what is wrong, where, and what to do about it.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use storage::StorageError;
use tracing::error;
use utoipa::ToSchema;

/// What is said of a fault of this service's own.
pub(crate) const BROKEN: &str = "something went wrong here; send it again, and if that does not help, give the operators the header x-request-id";

/// One fault of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where: a JSON pointer into the body, or the name of a query parameter.
    #[schema(example = "/cut")]
    pub(crate) pointer: String,
    /// What is wrong there, and what to do.
    #[schema(
        example = "cut \"ideal plus\" is not a grade; use one of Fair, Good, Very Good, Premium, Ideal"
    )]
    pub(crate) detail: String,
}

/// An error answer (`application/problem+json`, RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: String,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What is wrong, and what to do.
    #[schema(
        example = "cut \"ideal plus\" is not a grade; use one of Fair, Good, Very Good, Premium, Ideal"
    )]
    detail: String,
    /// Every fault of the request, each with its place; empty where the request as a whole is refused.
    errors: Vec<Fault>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    pub(crate) fn with_faults(self, errors: Vec<Fault>) -> Self {
        Self { errors, ..self }
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }

    /// What is wrong, in a sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    pub(crate) fn conflict(why: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, why)
    }

    pub(crate) fn no_model() -> Self {
        let detail = "no model serves yet: drop a data file into the inbox, and try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(2)
    }

    pub(crate) fn unrecorded() -> Self {
        let detail = "the request cannot be recorded now, so it is not answered; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    }

    pub(crate) fn overloaded(why: &str) -> Self {
        let detail = format!("{why}; try again in a moment");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    }

    pub(crate) fn registry_away() -> Self {
        let detail = "the registry is away; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(2)
    }

    pub(crate) fn unchecked_key() -> Self {
        let detail = "this key cannot be checked while Postgres is away, or was last checked too long ago; \
            try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(2)
    }

    /// Something that is wrong here, and not with the request.
    pub(crate) fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, BROKEN)
    }
}

/// An error without words, or in plain ones, as a problem: whatever refuses a request beneath the handlers does not know
/// these.
pub(crate) fn in_words(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || has_words(response.headers()) {
        return response;
    }
    let detail = match status {
        StatusCode::NOT_FOUND => "there is no such page; /docs lists what there is",
        _ if status.is_client_error() => {
            "the request cannot be read; check its path, query, headers and body"
        }
        _ => BROKEN,
    };
    let mut problem = Problem::new(status, detail).into_response();
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            problem.headers_mut().append(name, value.clone());
        }
    }
    problem
}

fn has_words(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| !value.as_bytes().starts_with(b"text/plain"))
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        if error.is_unavailable() {
            return Self::registry_away();
        }
        error!(
            error = format!("{:#}", anyhow::Error::new(error)),
            "a query failed"
        );
        Self::broken()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    /// S17: the framework's own refusals are plain text.
    #[test]
    fn an_error_in_plain_text_or_without_any_becomes_a_problem() {
        let plain = (StatusCode::BAD_REQUEST, [("allow", "GET")], "Invalid URL").into_response();
        let bare = StatusCode::NOT_FOUND.into_response();
        for (error, status) in [(plain, 400), (bare, 404)] {
            let allow = error.headers().get("allow").cloned();
            let problem = in_words(error);
            assert_eq!(problem.status(), status);
            assert_eq!(problem.headers()["content-type"], "application/problem+json");
            assert_eq!(problem.headers().get("allow"), allow.as_ref());
        }
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        let kept = |response: Response| {
            let before = response.headers().clone();
            *in_words(response).headers() == before
        };
        let json = [(header::CONTENT_TYPE, "application/json")];
        assert!(kept(
            (StatusCode::SERVICE_UNAVAILABLE, json, "{}").into_response()
        ));
        assert!(kept(Problem::broken().into_response()));
        assert!(kept((StatusCode::OK, Body::from("ok")).into_response()));
    }
}
