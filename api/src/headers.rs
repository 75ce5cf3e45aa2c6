//! Headers that every answer has.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// What browsers are told of an answer; where a handler says something else, that counts.
pub(crate) type Policy = &'static [(HeaderName, HeaderValue)];

/// Answers are data: nothing in them is to be run, framed or guessed at. That is all a browser minds where no page is
/// shown, and each header more costs every answer.
static DATA: [(HeaderName, HeaderValue); 3] = [
    NOSNIFF,
    NOT_STORED,
    policy_of("default-src 'none'; frame-ancestors 'none'"),
];

/// The pages come from this very origin, Swagger UI with styles inside.
static PAGES: [(HeaderName, HeaderValue); 5] = [
    NOSNIFF,
    NOT_STORED,
    policy_of(
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
         object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

const NOSNIFF: (HeaderName, HeaderValue) = (
    header::X_CONTENT_TYPE_OPTIONS,
    HeaderValue::from_static("nosniff"),
);
const NOT_STORED: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

const fn policy_of(directives: &'static str) -> (HeaderName, HeaderValue) {
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(directives),
    )
}

/// What holds for the answer at this path.
pub(crate) fn policy(path: &str) -> Policy {
    if path.starts_with("/docs") { &PAGES } else { &DATA }
}

/// Adds what keeps browsers careful.
pub(crate) fn add(headers: &mut HeaderMap, policy: Policy) {
    for (name, value) in policy {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_not_run_framed_guessed_at_or_stored_and_pages_say_more() {
        let of = |path: &str| {
            let mut headers = HeaderMap::new();
            add(&mut headers, policy(path));
            headers
        };
        for path in ["/v1/predictions", "/docs/"] {
            let headers = of(path);
            assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
            assert_eq!(headers["cache-control"], "no-store", "{path}");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        }
        assert_eq!(of("/docs/")["x-frame-options"], "DENY");
        assert_eq!(of("/docs/")["referrer-policy"], "no-referrer");
    }

    #[test]
    fn what_a_handler_says_counts() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        add(&mut headers, policy("/docs/"));
        assert_eq!(headers["cache-control"], "max-age=60");
    }
}
