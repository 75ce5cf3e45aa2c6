//! A small HTTP/1 server for whoever watches a service: `GET /healthz`, `/readyz` and `/metrics`.
//!
//! Bounded: so many connections at a time, so long for each; one request a connection.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Bytes, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    health::{Health, Status},
    telemetry::Metrics,
};

const MAX_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Also bounds how long stopping takes.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// What the probes tell.
#[derive(Clone)]
pub struct Probes {
    /// For `/readyz`.
    pub health: Health,
    /// For `/metrics`.
    pub metrics: Metrics,
}

/// Probes that listen already.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    probes: Probes,
}

impl Probes {
    /// Listens on an address (port 0 takes a free port) and logs `listening` with the real one as `address`.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(self, address: SocketAddr) -> io::Result<Bound> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        info!(%address, "listening");
        Ok(Bound {
            listener,
            address,
            probes: self,
        })
    }

    fn answer<B>(&self, request: &Request<B>) -> Answer {
        let answer = match request.uri().path() {
            "/healthz" => Self::alive,
            "/readyz" => Self::ready,
            "/metrics" => Self::numbers,
            _ => return text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
        };
        if request.method() == Method::GET {
            answer(self)
        } else {
            only_get()
        }
    }

    fn alive(&self) -> Answer {
        text(StatusCode::OK, "ok\n".to_owned())
    }

    fn ready(&self) -> Answer {
        let snapshot = self.health.snapshot();
        let status = match snapshot.status {
            Status::Ready | Status::Degraded => StatusCode::OK,
            Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        match serde_json::to_string(&snapshot) {
            Ok(json) => answer(status, "application/json", json),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    fn numbers(&self) -> Answer {
        answer(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            self.metrics.render(),
        )
    }
}

impl Bound {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then finishes the requests it has.
    pub async fn serve(self, stop: CancellationToken) {
        let (free, open) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), TaskTracker::new());
        let accepting = async {
            loop {
                if let Some((stream, permit)) = self.accept(&free).await {
                    open.spawn(serve_one(stream, self.probes.clone(), permit));
                }
            }
        };
        stop.run_until_cancelled(accepting).await;
        open.close();
        open.wait().await;
    }

    /// Takes a connection once there is room for it; meanwhile others wait in the system's queue.
    async fn accept(&self, free: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let permit = free.clone().acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, _)) => Some((stream, permit)),
            Err(error) => {
                warn!(%error, "cannot accept a connection to the probes");
                sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

async fn serve_one(stream: TcpStream, probes: Probes, _permit: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        let answer = probes.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let served = timeout(CONNECTION_TIMEOUT, connection).await;
    debug!(?served, "answered a probe");
}

fn only_get() -> Answer {
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    refused
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static("GET"));
    refused
}

fn text(status: StatusCode, body: String) -> Answer {
    answer(status, "text/plain; charset=utf-8", body)
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    answer
}

#[cfg(test)]
mod tests;
