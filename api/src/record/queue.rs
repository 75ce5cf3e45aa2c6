//! Records that wait for the next transaction. Whatever waits when a committer is free is its group; no timer.
//!
//! Bounded by who puts records in: each request in hand has one at the most.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::traffic::TrafficRecord;
use tokio::sync::{Notify, oneshot};

/// The most records of one transaction.
const GROUP_RECORDS: usize = 1000;
/// The most bytes of bodies in one transaction, unless a single record has more.
const GROUP_BYTES: usize = 8 << 20;

/// A record, and who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) record: TrafficRecord,
    pub(super) kept: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    came: Notify,
}

impl Queue {
    pub(super) fn push(&self, record: TrafficRecord) -> oneshot::Receiver<()> {
        let (kept, done) = oneshot::channel();
        self.waiting().push_back(Waiting { record, kept });
        self.came.notify_one();
        done
    }

    /// The next group, as soon as there is one.
    pub(super) async fn next(&self) -> Vec<Waiting> {
        loop {
            let group = self.take();
            if !group.is_empty() {
                return group;
            }
            self.came.notified().await;
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let length = group_length(&waiting);
        let group = waiting.drain(..length).collect();
        if !waiting.is_empty() {
            self.came.notify_one();
        }
        group
    }

    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// A panic while it was locked leaves it whole: records are added and taken one at a time.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn group_length(waiting: &VecDeque<Waiting>) -> usize {
    let mut bytes = 0;
    let fits = |it: &&Waiting| {
        let before = bytes;
        bytes += it.record.request_body.bytes.len() + it.record.response_body.bytes.len();
        before == 0 || bytes <= GROUP_BYTES
    };
    waiting.iter().take(GROUP_RECORDS).take_while(fits).count()
}
