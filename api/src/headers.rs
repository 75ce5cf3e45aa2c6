//! Headers that every answer has.

use axum::http::{HeaderMap, HeaderValue, header};

/// Answers are data: nothing in them is to be run, framed or guessed at.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// The pages come from this very origin, Swagger UI with styles inside.
const PAGES: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
    object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What the page at this path may do.
pub(crate) fn policy(path: &str) -> &'static str {
    if path.starts_with("/docs") { PAGES } else { DATA }
}

/// Adds what keeps browsers careful.
pub(crate) fn add(headers: &mut HeaderMap, policy: &'static str) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
}
