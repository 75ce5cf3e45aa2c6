//! Operators.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use domain::{
    Sha256,
    key::{ApiKey, Role},
};

use super::{bearer, unknown};
use crate::{problem::Problem, record::Ticket, service::App};

const WHAT_TO_SEND: &str = "send an operator's key, as the header `Authorization: Bearer KEY`";

/// An operator: a handler that takes one runs for a working operator's key only.
///
/// The key is looked up in the registry at every request, so a revoked one is refused from then on.
pub(crate) struct Operator(pub(crate) ApiKey);

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = bearer(&parts.headers).ok_or_else(|| unknown("this needs a key", WHAT_TO_SEND))?;
        let key = app.registry()?.working_key(Sha256::of(text)).await?;
        let wrong = || {
            unknown(
                "this key does not work: it is wrong, or was revoked",
                WHAT_TO_SEND,
            )
        };
        let key = key.ok_or_else(wrong)?;
        if let Some(ticket) = parts.extensions.get::<Ticket>() {
            ticket.key_used.set(key.id);
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
