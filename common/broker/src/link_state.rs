//! The state of one connection, for readiness and the log: logged once at each change, not at each try.

use std::{mem::discriminant, sync::Arc};

use tokio::sync::watch;
use tracing::{debug, info, warn};

/// What a connection to the broker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It has not been up yet.
    Connecting,
    /// It works.
    Up,
    /// It is open, but the broker takes nothing from publishers; the broker's reason.
    Blocked(String),
    /// It is gone and being made again; the last reason.
    Down(String),
}

/// Tells whoever watches, and the log, about one connection across all its reconnections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    name: Arc<str>,
    state: Arc<watch::Sender<LinkState>>,
}

impl Reporter {
    pub(crate) fn new(name: &str) -> Self {
        let state = Arc::new(watch::Sender::new(LinkState::Connecting));
        Self {
            name: name.into(),
            state,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Stores the state; logs it where it is another one than before, not where only the reason differs.
    pub(crate) fn report(&self, state: LinkState) {
        let changed = self.state.send_if_modified(|current| {
            let changed = discriminant(current) != discriminant(&state);
            *current = state.clone();
            changed
        });
        if changed {
            self.log(&state);
        } else {
            debug!(connection = %self.name, ?state, "broker connection as before");
        }
        let up = f64::from(u8::from(state == LinkState::Up));
        metrics::gauge!("broker_connection_up", "connection" => self.name.to_string()).set(up);
    }

    fn log(&self, state: &LinkState) {
        let connection = &*self.name;
        match state {
            LinkState::Connecting => info!(connection, "connecting to the broker"),
            LinkState::Up => info!(connection, "connected to the broker"),
            LinkState::Blocked(reason) => warn!(connection, reason, "the broker blocks publishers"),
            LinkState::Down(reason) => warn!(connection, reason, "no connection to the broker, trying again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_are_woken_by_a_change_and_not_by_another_reason_for_the_same_state() {
        let reporter = Reporter::new("test");
        let mut watch = reporter.watch();
        reporter.report(LinkState::Down("refused".into()));
        assert!(watch.has_changed().is_ok_and(|changed| changed));
        watch.mark_unchanged();
        reporter.report(LinkState::Down("reset".into()));
        assert!(watch.has_changed().is_ok_and(|changed| !changed));
        assert_eq!(
            *watch.borrow(),
            LinkState::Down("reset".into()),
            "the last reason is kept"
        );
    }
}
