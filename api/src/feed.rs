//! Tells event streams that there are newer events: one look at the table for all of them.

use std::{sync::Arc, time::Duration};

use ::service::health::Watchdog;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::service::App;

/// How often it is looked without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The place of the newest event, watched; cheap to clone.
#[derive(Clone)]
pub(crate) struct Feed {
    newest: watch::Sender<i64>,
    stop: CancellationToken,
}

impl Feed {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            newest: watch::Sender::new(0),
            stop,
        }
    }

    /// The place of the newest event that was seen.
    pub(crate) fn newest(&self) -> i64 {
        *self.newest.borrow()
    }

    /// Comes when there are events after `seen`; with nothing when the service stops.
    pub(crate) async fn newer_than(&self, seen: i64) -> Option<()> {
        let mut newest = self.newest.subscribe();
        let newer = newest.wait_for(|newest| *newest > seen);
        self.stop.run_until_cancelled(newer).await?.ok().map(drop)
    }

    /// Follows the table until told to stop.
    pub(crate) async fn follow(app: App, woken: Arc<Notify>, watchdog: Watchdog, stop: CancellationToken) {
        loop {
            watchdog.working_on("looking for new events");
            app.feed.look(&app).await;
            watchdog.idle();
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
    async fn look(&self, app: &App) {
        if let Ok(registry) = app.registry()
            && let Ok(newest) = registry.newest_event().await
        {
            self.newest
                .send_if_modified(|before| std::mem::replace(before, newest) != newest);
        }
    }
}
