//! Headers that every answer has.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// What browsers are told of an answer; where a handler says something else, that counts.
pub(crate) type Policy = &'static [(HeaderName, HeaderValue)];

/// What answers a POST is data, which no browser shows or keeps by itself: it is only not to be guessed at. Each header
/// more costs every price.
static POSTED: [(HeaderName, HeaderValue); 1] = [NOSNIFF];

/// Other data can be visited: nothing in it is to be run or framed, and it is not kept, for the next answer may be another.
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

/// What holds for the answer to such a request.
pub(crate) fn policy(method: &Method, path: &str) -> Policy {
    if path.starts_with("/docs") {
        &PAGES
    } else if method == Method::POST {
        &POSTED
    } else {
        &DATA
    }
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

    /// What the answer to such a request says.
    fn told(method: &Method, path: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        add(&mut headers, policy(method, path));
        headers
    }

    #[test]
    fn nothing_is_guessed_at_what_can_be_visited_is_not_framed_or_stored_and_pages_say_more() {
        for (method, path) in [
            (Method::POST, "/v1/predictions"),
            (Method::GET, "/v1/models"),
            (Method::GET, "/docs/"),
        ] {
            assert_eq!(told(&method, path)["x-content-type-options"], "nosniff", "{path}");
        }
        assert_eq!(
            told(&Method::POST, "/v1/predictions").len(),
            1,
            "each more costs every price"
        );
        for path in ["/v1/models", "/docs/"] {
            let headers = told(&Method::GET, path);
            assert_eq!(headers["cache-control"], "no-store", "{path}");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        }
        let page = told(&Method::GET, "/docs/");
        assert_eq!(page["x-frame-options"], "DENY");
        assert_eq!(page["referrer-policy"], "no-referrer");
    }

    #[test]
    fn what_a_handler_says_counts() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        add(&mut headers, policy(&Method::GET, "/docs/"));
        assert_eq!(headers["cache-control"], "max-age=60");
    }
}
