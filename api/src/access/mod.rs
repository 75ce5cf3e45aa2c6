//! Who calls, whether they may, and how much.
//!
//! The caller of every request is found by a key that came with it, else by address. A key is looked up in
//! memory ([`keyring`]), and in the registry when it is not there; a handler that takes an [`Operator`] asks the
//! registry always. Callers of either sort have a rate each ([`rates`]).

mod caller;
mod hosts;
mod keyring;
mod operator;
mod rates;

use std::net::IpAddr;

use axum::{
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use domain::{
    Sha256,
    key::{ApiKey, Role},
};

pub(crate) use caller::{Caller, Counted, network};
pub(crate) use hosts::Hosts;
pub(crate) use keyring::Keyring;
pub(crate) use operator::Operator;
pub(crate) use rates::{Rate, Rates, Standing};

use crate::{
    problem::Problem,
    record::{Ticket, is_recorded},
    server::Peer,
    service::App,
};

/// What a request has to come with.
const WHAT_TO_SEND: &str = "send a key, as the header `Authorization: Bearer KEY`";
/// Everything below asks for a key, where keys are required, and looks up the one that came.
const CLOSED: &str = "/v1/";

/// The caller of a request, as far as is known without asking the registry, who has not called too often.
pub(crate) struct Rated {
    key: Option<ApiKey>,
    rate: Rate,
}

/// Counts a request for the rate of its caller, whatever will become of it: each that leaves a record counts.
pub(crate) fn rated(app: &App, request: &Parts) -> Result<Rated, Standing> {
    if !is_recorded(request.uri.path()) {
        let (key, rate) = (None, Rate::Unlimited);
        return Ok(Rated { key, rate });
    }
    let text = bearer(&request.headers);
    let key = text.and_then(|text| app.keyring.find(Sha256::of(text)));
    let rate = match &key {
        Some(key) => {
            note_key(request, key);
            app.rates.of_key(key.id)
        }
        None => app.rates.of_address(network_of(request)),
    };
    match rate {
        Rate::Exceeded(exceeded) => Err(exceeded),
        rate => Ok(Rated { key, rate }),
    }
}

impl Rated {
    /// The refusal of this request for another reason; it says how the rate stands.
    pub(crate) fn refused(&self, problem: Problem) -> Response {
        let mut refused = problem.into_response();
        self.rate.tell(refused.headers_mut());
        refused
    }
}

/// The refusal of a request that nobody will look at, or that of one request too many.
pub(crate) fn refuse(app: &App, request: &Parts, problem: Problem) -> Response {
    match rated(app, request) {
        Ok(rated) => rated.refused(problem),
        Err(exceeded) => exceeded.refused(),
    }
}

/// Whether the caller of a request may call; how the caller's rate stands then. A key that came with the request is
/// left in its extensions.
pub(crate) async fn admit(app: &App, request: &mut Parts, mut rated: Rated) -> Result<Rate, Response> {
    if !request.uri.path().starts_with(CLOSED) {
        return Ok(rated.rate);
    }
    let text = bearer(&request.headers);
    let caller = match (rated.key.take(), text) {
        (Some(key), _) => Ok(Some(key)),
        (None, Some(text)) => Box::pin(asked(app, Sha256::of(text), network_of(request))).await,
        (None, None) if app.require_key => Err(unknown("this needs a key", WHAT_TO_SEND)),
        (None, None) => Ok(None),
    };
    match caller {
        Ok(None) => Ok(rated.rate),
        Ok(Some(key)) => {
            note_key(request, &key);
            request.extensions.insert(key);
            Ok(rated.rate)
        }
        Err(problem) => Err(rated.refused(problem)),
    }
}

/// Tells the request's record which key came with it.
fn note_key(request: &Parts, key: &ApiKey) {
    if let Some(ticket) = request.extensions.get::<Ticket>() {
        ticket.key_used.set(key.id);
    }
}

/// Whether an operator's key came with a request, as far as is known without asking.
pub(crate) fn is_known_operator(app: &App, headers: &HeaderMap) -> bool {
    let key = bearer(headers).and_then(|text| app.keyring.find(Sha256::of(text)));
    key.is_some_and(|key| key.role == Role::Operator)
}

/// A key that is not in memory: new, wrong, or revoked; or none in memory is believed any longer.
async fn asked(app: &App, hash: Sha256, network: Option<IpAddr>) -> Result<Option<ApiKey>, Problem> {
    let registry = match app.registry_for_strangers(network).await {
        Ok(registry) => registry.working_key(hash).await.map_err(|error| {
            if error.is_unavailable() {
                Problem::unchecked_key()
            } else {
                error.into()
            }
        }),
        Err(refused) => Err(refused),
    };
    match registry {
        Ok(Some(key)) => {
            app.keyring.add(hash, key.clone());
            Ok(Some(key))
        }
        Ok(None) => Err(unknown(
            "this key does not work: it is wrong, or was revoked",
            WHAT_TO_SEND,
        )),
        // Where no key is needed, one that cannot be looked up does no harm.
        Err(_) if !app.require_key => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn unknown(why: &str, what_to_send: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, format!("{why}; {what_to_send}"))
}

/// Where a request came from, if that is limited.
fn network_of(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<Peer>()?.network
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
