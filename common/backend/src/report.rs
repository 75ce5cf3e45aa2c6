//! Telling readiness how the servers behind a service are.

use std::time::Duration;

use broker::LinkState;
use service::{error::chain, health::Component};
use storage::Database;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Backend, STALLED};

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Follows a connection to the broker until told to stop.
pub(crate) async fn broker(
    state: watch::Receiver<LinkState>,
    component: Component,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let down = |reason: String| component.down(reason);
    follow(state, &component, down, &stop).await;
    Ok(())
}

/// Follows a consumer of work that is also found without it, only later, until told to stop.
pub(crate) async fn consumer(
    state: watch::Receiver<LinkState>,
    component: Component,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let degraded = |reason: String| component.degraded(format!("work is found by looking only: {reason}"));
    follow(state, &component, degraded, &stop).await;
    Ok(())
}

/// Looks now and then as well: watchers are not woken when only the reason changes.
async fn follow(
    mut state: watch::Receiver<LinkState>,
    component: &Component,
    not_up: impl Fn(String),
    stop: &CancellationToken,
) {
    loop {
        match &*state.borrow_and_update() {
            LinkState::Up => component.up(),
            LinkState::Connecting => not_up("connecting".to_owned()),
            LinkState::Blocked(reason) => component.degraded(format!("blocked: {reason}")),
            LinkState::Down(reason) => not_up(reason.clone()),
        }
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = state.changed() => changed,
            () = tokio::time::sleep(LOOK_EVERY) => Ok(()),
        };
        if changed.is_err() {
            // Its owner has ended, which it does only when told to stop, maybe a moment before this one is.
            return stop.cancelled().await;
        }
    }
}

/// Asks Postgres for a sign of life, and whether it takes changes, until told to stop.
pub(crate) async fn postgres(
    database: Database,
    component: Component,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let watchdog = component.watchdog(STALLED);
    loop {
        watchdog.working_on("asking Postgres for a sign of life");
        match stop.run_until_cancelled(database.is_read_only()).await {
            None => return Ok(()),
            Some(Ok(false)) => component.up(),
            Some(Ok(true)) => component.degraded("it is read-only: whatever changes something waits"),
            Some(Err(error)) => component.down(chain(&error)),
        }
        watchdog.idle();
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
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
        match stop.run_until_cancelled(backend.check_store()).await {
            None => return Ok(()),
            Some(Ok(())) => component.up(),
            Some(Err(error)) => component.down(chain(&error)),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use service::{
        clock::Clock,
        health::{Health, Need},
    };

    use super::*;

    /// W12: a consumer that ended a moment before made SIGTERM end in a failure ("channel closed").
    #[tokio::test]
    async fn a_connection_whose_owner_ended_before_the_stop_is_no_failure() -> anyhow::Result<()> {
        let component = Health::new(Clock::system()).component("broker", Need::Useful);
        let (sender, state) = watch::channel(LinkState::Up);
        let stop = CancellationToken::new();
        let following = tokio::spawn(broker(state, component, stop.clone()));
        drop(sender);
        tokio::task::yield_now().await;
        stop.cancel();
        following.await?
    }
}
