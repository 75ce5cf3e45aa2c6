//! Errors as RFC 9457 problems: what is wrong, where, and what to do about it.

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use storage::StorageError;
use tracing::error;
use utoipa::ToSchema;

/// One fault of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where: a JSON pointer into the body, or the name of a query parameter.
    pub(crate) pointer: String,
    /// What is wrong there, and what to do.
    pub(crate) detail: String,
}

/// An error answer (`application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    status: u16,
    detail: String,
    errors: Vec<Fault>,
    #[serde(skip)]
    retry_after: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    pub(crate) fn invalid(errors: Vec<Fault>) -> Self {
        let detail = errors.first().map_or(String::new(), |fault| fault.detail.clone());
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    pub(crate) fn no_model() -> Self {
        let detail = "no model serves yet: drop a data file into the inbox, and try again in a moment";
        Self {
            retry_after: Some("2"),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    pub(crate) fn overload() -> Self {
        let detail = "there is more to do than can be done at once; try again in a moment";
        Self {
            retry_after: Some("1"),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    pub(crate) fn unrecorded() -> Self {
        let detail = "the request cannot be recorded now, so it is not answered; try again in a moment";
        Self {
            retry_after: Some("1"),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        if error.is_unavailable() {
            let detail = "the registry is away; try again in a moment";
            return Self {
                retry_after: Some("1"),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            };
        }
        error!(
            error = format!("{:#}", anyhow::Error::new(error)),
            "a query failed"
        );
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "something went wrong here; the operators' log says what",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
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
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

/// The query, parsed; a fault of it is a problem like any other.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(params) =
            query.map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.body_text()))?;
        Ok(Self(params))
    }
}
