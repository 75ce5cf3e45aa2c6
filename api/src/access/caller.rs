//! Who a request comes from, as limits count it.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
};

use axum::{extract::FromRequestParts, http::request::Parts};
use domain::key::{ApiKey, Role};
use uuid::Uuid;

use crate::{server::Peer, service::App};

/// Whoever sent a request: the key that came with it, and its address.
pub(crate) struct Caller {
    key: Option<ApiKey>,
    network: Option<IpAddr>,
}

/// By whom shares are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// By the key that came with a request.
    Key(Uuid),
    /// Without one, by address.
    Address(IpAddr),
}

impl Caller {
    /// By whom this caller's share is counted; none for this machine's own addresses, unless they are limited.
    pub(crate) fn counted(&self) -> Option<Counted> {
        match (&self.key, self.network) {
            (Some(key), _) => Some(Counted::Key(key.id)),
            (None, network) => network.map(Counted::Address),
        }
    }

    /// Its address, if that is limited.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.network
    }

    /// Whether an operator's key came with the request.
    pub(crate) fn is_operator(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.role == Role::Operator)
    }
}

/// [`super::admit`] has left the key in the request, where one came with it.
impl FromRequestParts<App> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self {
            key: parts.extensions.get::<ApiKey>().cloned(),
            network: parts.extensions.get::<Peer>().and_then(|peer| peer.network),
        })
    }
}

/// What an address is limited as: of IPv6, the network of 64 bits that a customer gets. None for this machine's own,
/// unless they are limited too.
pub(crate) fn network(address: IpAddr, limit_loopback: bool) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() && !limit_loopback {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
    })
}
