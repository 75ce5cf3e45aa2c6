//! Headers that every answer has.

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// Answers are data: nothing in them is to be run, framed or guessed at.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// The pages come from this very origin, Swagger UI with styles inside.
const PAGES: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
    object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Adds what keeps browsers careful.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let policy = match request.uri().path() {
        path if path.starts_with("/docs") => PAGES,
        _ => DATA,
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let absent = |headers: &axum::http::HeaderMap, name| !headers.contains_key(name);
    if absent(headers, header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    if absent(headers, header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
