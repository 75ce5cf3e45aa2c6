//! Cross-origin requests (<https://fetch.spec.whatwg.org/#http-cors-protocol>), from the origins that are set.
//!
//! [`preflight`] answers what browsers ask before, inside the record; [`decorate`] names the origin on every answer,
//! those included that the record itself makes, so that a page can read its errors too.

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};

/// What a page may read of an answer's head.
const EXPOSED: &str =
    "x-request-id, x-model-version, ratelimit, ratelimit-policy, retry-after, link, location";
const METHODS: &str = "GET, HEAD, POST";
const HEADERS: &str = "authorization, content-type, last-event-id";
/// How long a browser need not ask again.
const MAX_AGE_SECONDS: &str = "3600";

/// The origins whose pages may call.
pub(crate) struct Origins(Vec<HeaderValue>);

impl Origins {
    /// From the settings, where they were checked; `*` is every origin.
    pub(crate) fn new(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| origin.parse().ok()).collect())
    }

    /// What to answer an origin, if it may call.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let found = self
            .0
            .iter()
            .find(|allowed| *allowed == origin || *allowed == "*");
        found.cloned()
    }
}

/// The answer to a browser that asks whether it may send a request, if this is one and it may.
pub(crate) fn preflight(origins: &Origins, request: &Parts) -> Option<Response> {
    let headers = &request.headers;
    let asks =
        request.method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    origins.allowed(headers.get(header::ORIGIN)?)?;
    let permissions = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
    ];
    Some((StatusCode::NO_CONTENT, permissions).into_response())
}

/// Names the origin on an answer to it.
pub(crate) fn decorate(origins: &Origins, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if origins.0.is_empty() {
        return;
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(allowed) = origin.and_then(|origin| origins.allowed(origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_by_its_whole_name() {
        let shop = HeaderValue::from_static("https://shop.example");
        let origins = Origins::new(&["https://shop.example".to_owned()]);
        assert_eq!(origins.allowed(&shop), Some(shop.clone()));
        for other in ["https://shop.example.evil", "http://shop.example", "null"] {
            assert_eq!(origins.allowed(&HeaderValue::from_static(other)), None, "{other}");
        }
        assert_eq!(Origins::new(&[]).allowed(&shop), None);
        assert_eq!(Origins::new(&["*".to_owned()]).allowed(&shop).unwrap(), "*");
    }
}
