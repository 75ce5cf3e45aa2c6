//! Telling readiness what intake works on, and that it goes on.

use std::sync::{Arc, Mutex, PoisonError};

use ::service::health::Watchdog;

/// The work of the intake loop, watched; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    watchdog: Watchdog,
    work: Arc<Mutex<String>>,
}

impl Progress {
    /// Nothing is worked on yet.
    pub(crate) fn new(watchdog: Watchdog) -> Self {
        Self {
            watchdog,
            work: Arc::default(),
        }
    }

    /// Notes that `work` begins, such as "reading a.csv".
    pub(crate) fn begins(&self, work: String) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
        self.goes_on();
    }

    /// Notes that the work goes on: told by the bytes that were read, so that a long reading is no alarm.
    pub(crate) fn goes_on(&self) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        self.watchdog.working_on(work.clone());
    }

    /// Notes that there is nothing to do.
    pub(crate) fn idle(&self) {
        self.watchdog.idle();
    }
}
