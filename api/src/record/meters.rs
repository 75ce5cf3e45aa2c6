//! Requests by status, and how long they took; the handles are looked up once, for the way is hot.

use std::{sync::OnceLock, time::Duration};

use metrics::{Counter, Histogram};

const STATUSES: usize = 600;

/// Handles to the metrics of requests.
pub(super) struct Meters {
    seconds: Histogram,
    by_status: Vec<OnceLock<Counter>>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            seconds: metrics::histogram!("lapidary_request_seconds"),
            by_status: (0..STATUSES).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Meters {
    /// One more request was answered.
    pub(super) fn answered(&self, status: u16, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        if let Some(counter) = self.by_status.get(usize::from(status)) {
            counter.get_or_init(|| counter_of(status)).increment(1);
        }
    }
}

fn counter_of(status: u16) -> Counter {
    metrics::counter!("lapidary_requests_total", "status" => status.to_string())
}
