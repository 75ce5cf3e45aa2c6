//! Telling readiness how the servers behind a service are.

use std::time::Duration;

use broker::LinkState;
use service::health::Component;
use storage::Database;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Backend;

const PING_EVERY: Duration = Duration::from_secs(2);

/// Follows a connection to the broker until told to stop.
pub(crate) async fn broker(
    mut state: watch::Receiver<LinkState>,
    component: Component,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        match &*state.borrow_and_update() {
            LinkState::Up => component.up(),
            LinkState::Connecting => component.down("connecting"),
            LinkState::Blocked(reason) => component.degraded(format!("blocked: {reason}")),
            LinkState::Down(reason) => component.down(reason.clone()),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = state.changed() => changed?,
        }
    }
}

/// Asks Postgres for a sign of life until told to stop.
pub(crate) async fn postgres(
    database: Database,
    component: Component,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        match database.ping().await {
            Ok(()) => component.up(),
            Err(error) => component.down(error.to_string()),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PING_EVERY) => {}
        }
    }
}

/// Asks the object store for its marker until told to stop.
pub(crate) async fn store(
    backend: Backend,
    component: Component,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        match backend.check_store().await {
            Ok(()) => component.up(),
            Err(error) => component.down(format!("{:#}", anyhow::Error::new(error))),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PING_EVERY) => {}
        }
    }
}
