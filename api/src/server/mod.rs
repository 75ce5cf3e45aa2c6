//! The HTTP/1.1 server: every wait for a client has a limit, and so has the number of connections.
//!
//! - A request's head has to arrive within the header timeout or an eighth more, which is also how long a connection may
//!   be idle ([`connections`]).
//! - Its body has to arrive within the body timeout ([`body`]).
//! - A client that takes nothing of its answer for the write timeout is cut off ([`stream`]). One that takes it slowly is
//!   not: until all of an answer is handed to the system, its connection is not idle.
//! - One address has a part of the connections at most. When there are as many as allowed, those make room that have
//!   waited longest for their client, first of the address that has most ([`connections`]).

mod body;
mod connections;
mod descriptors;
mod stream;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{access::network, routes::Routes};
pub(crate) use body::BodyFault;
use body::TimedBody;
use connections::{Connection, Connections, State};
pub(crate) use descriptors::allow_connections;
use stream::ImpatientStream;

/// The longest head, in bytes; a longer one is answered with 431. Also what one connection buffers.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// After a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long an idle connection may take to say something when the server stops.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// Who is at the other end of a connection; left in the extensions of each of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: IpAddr,
    /// The same as a text, for records.
    pub(crate) text: Arc<str>,
    /// What it is limited as; none where it has no limits.
    pub(crate) network: Option<IpAddr>,
}

impl Peer {
    /// Whoever has this end.
    pub(crate) fn at(socket: SocketAddr) -> Self {
        Self {
            address: socket.ip(),
            text: socket.ip().to_string().into(),
            network: network(socket.ip(), true),
        }
    }

    /// The same, without limits on this machine's own addresses unless they are wanted.
    fn with_limits(self, limit_loopback: bool) -> Self {
        Self {
            network: network(self.address, limit_loopback),
            ..self
        }
    }
}

/// What clients may do, at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// The part of them that one address may have.
    pub(crate) address_share: f64,
    /// Whether that holds for this machine's own addresses too.
    pub(crate) limit_loopback: bool,
    /// For a request's head, and for the next request.
    pub(crate) header_timeout: Duration,
    /// For a request's body.
    pub(crate) body_timeout: Duration,
    /// Without taking anything of an answer.
    pub(crate) write_timeout: Duration,
}

/// What all connections share.
struct Shared {
    routes: Routes,
    limits: Limits,
    stop: CancellationToken,
}

impl Shared {
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        state: &Arc<State>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        let (mut head, body) = request.into_parts();
        head.extensions.insert(peer);
        let body = TimedBody::new(body, self.limits.body_timeout, Arc::clone(state));
        self.routes.answer(head, Body::new(body))
    }
}

/// Serves until `stop`, then finishes what is in hand.
pub(crate) async fn serve(listener: TcpListener, routes: Routes, limits: Limits, stop: CancellationToken) {
    let connections = Connections::new(limits.connections, limits.address_share);
    let open = TaskTracker::new();
    let shared = Arc::new(Shared {
        routes,
        limits,
        stop: stop.clone(),
    });
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let peer = Peer::at(peer).with_limits(limits.limit_loopback);
                    // One that may not be is closed at once.
                    if let Some(connection) = connections.admit(&peer).await {
                        open.spawn(serve_one(stream, peer, Arc::clone(&shared), connection));
                    }
                }
                Err(error) => {
                    warn!(%error, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accepting => {}
        () = connections.end_idle(limits.header_timeout) => {}
    }
    drop(listener);
    connections.end_all();
    open.close();
    open.wait().await;
}

async fn serve_one(stream: TcpStream, client: Peer, shared: Arc<Shared>, connection: Connection) {
    // Answers are small and whole: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let state = connection.state();
    let timeout = shared.limits.write_timeout;
    let io = TokioIo::new(ImpatientStream::new(stream, timeout, Arc::clone(&state)));
    let service = service_fn(|request| {
        let busy = state.busy();
        let answer = shared.answer(request, client.clone(), &state);
        async move {
            answer
                .await
                .map(|response| response.map(|body| busy.until_the_end_of(body)))
        }
    });
    let mut http = pin!(
        http1::Builder::new()
            // That is what idle connections are looked through for, at a smaller price than a timer for each request.
            .header_read_timeout(None)
            .half_close(true)
            // One piece for head and body: both are small.
            .writev(false)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(io, service)
    );
    let ended = tokio::select! {
        biased;
        ended = http.as_mut() => Some(ended),
        // A request may have come in the very moment.
        () = state.ended() => if shared.stop.is_cancelled() || state.is_busy() {
            http.as_mut().graceful_shutdown();
            tokio::select! {
                ended = http => Some(ended),
                () = idle_for_long(&state) => None,
            }
        } else {
            None
        },
    };
    debug!(peer = &*client.text, ?ended, "a connection ended");
}

/// Comes when the connection stays without a request for a moment.
async fn idle_for_long(state: &State) {
    loop {
        sleep(LAST_CHANCE).await;
        if state.is_idle() {
            return;
        }
    }
}
