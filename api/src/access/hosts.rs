//! The names that the API is called by where no key is required.
//!
//! A foreign page can have its own name resolved to this machine (DNS rebinding), and would then read whatever needs no
//! key as if it came from that page's own server. Its name is the one thing that it cannot hide.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{StatusCode, header, request::Parts};

use crate::problem::Problem;

/// What probes and scrapers ask, by whatever name; nothing that was sent can be read in it.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
const ONE_HOST: &str =
    "a request names the host that it is for, once, by the header `host`; send one such header";
const UNKNOWN: &str = "the API is not called by the name that the header `host` gives: \
    call it by its IP address or as localhost, or add the name to the setting api.hosts";

/// The names that are allowed.
pub(crate) struct Hosts {
    /// None allows any: then a key is required, which foreign pages do not have.
    names: Option<Vec<String>>,
}

impl Hosts {
    /// Names from the settings, where they were checked; `*` is any.
    pub(crate) fn new(names: &[String], require_key: bool) -> Self {
        let any = require_key || names.iter().any(|name| name == "*");
        Self {
            names: (!any).then(|| names.to_vec()),
        }
    }

    /// Whether a request calls the API by a name that is allowed.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Problem> {
        let Some(names) = &self.names else {
            return Ok(());
        };
        if PROBES.contains(&request.uri.path()) {
            return Ok(());
        }
        let mut hosts = request.headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, ONE_HOST));
        };
        // A request line may name a host as well, which counts before the header (RFC 9112, 3.2.2): both have to be right.
        let in_line = request.uri.host().is_none_or(|name| is_allowed(name, names));
        let in_header = host.to_str().ok().and_then(name_in);
        match in_header {
            Some(name) if in_line && is_allowed(name, names) => Ok(()),
            _ => Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, UNKNOWN)),
        }
    }
}

/// The name in `NAME`, `NAME:PORT` or `[ADDRESS]:PORT`.
fn name_in(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(name)
}

fn is_allowed(name: &str, names: &[String]) -> bool {
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = address {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    if name.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost") || names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// The status that a request for a list is refused with, if it is.
    fn refused(hosts: &Hosts, uri: &str, headers: &[&str]) -> Option<u16> {
        let request = Request::builder().uri(uri);
        let request = headers
            .iter()
            .fold(request, |request, host| request.header("host", *host));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let problem = hosts.check(&head).err()?;
        Some(
            axum::response::IntoResponse::into_response(problem)
                .status()
                .as_u16(),
        )
    }

    fn hosts(names: &[&str], require_key: bool) -> Hosts {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(&names, require_key)
    }

    /// S14: foreign pages must not read a keyless API by having their own name resolved to it.
    #[test]
    fn a_keyless_api_answers_to_its_own_names_alone() {
        let own = hosts(&["prices.example"], false);
        for name in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "shop.localhost:1",
            "127.0.0.1:8080",
            "192.0.2.7",
            "[::1]:8080",
            "prices.example:80",
            "Prices.Example",
        ] {
            assert_eq!(refused(&own, "/v1/models", &[name]), None, "{name}");
        }
        for name in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "a.prices.example",
            "localhost@evil.example",
            "localhost:80@evil.example",
            "[::1",
            "[evil]",
            "",
        ] {
            assert_eq!(refused(&own, "/v1/models", &[name]), Some(421), "{name:?}");
        }
    }

    /// S14: two names, or none, are no answer to which name is meant.
    #[test]
    fn a_request_without_a_host_or_with_two_is_refused() {
        let own = hosts(&[], false);
        assert_eq!(refused(&own, "/v1/models", &[]), Some(400));
        assert_eq!(
            refused(&own, "/v1/models", &["localhost", "localhost"]),
            Some(400)
        );
        assert_eq!(
            refused(&own, "http://evil.example/v1/models", &["localhost"]),
            Some(421)
        );
        assert_eq!(refused(&own, "http://localhost/v1/models", &["localhost"]), None);
    }

    #[test]
    fn probes_and_apis_with_keys_answer_to_any_name() {
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(refused(&hosts(&[], false), path, &["evil.example"]), None);
            assert_eq!(refused(&hosts(&[], false), path, &[]), None);
        }
        for any in [hosts(&["*"], false), hosts(&[], true)] {
            assert_eq!(refused(&any, "/v1/models", &["evil.example"]), None);
        }
    }
}
