//! Records that wait for their transaction. Whatever waits when a group can begin is that group; no timer.
//!
//! Bounded by who puts records in: each request in hand has one at the most.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::traffic::TrafficRecord;
use tokio::sync::{Notify, oneshot};

/// How many groups may be under way at once: while the disk writes one, Postgres works at the other.
pub(super) const COMMITTERS: usize = 2;
/// A group that begins beside another has so many records at the least: a transaction costs Postgres nearly the same
/// whatever is in it, so what waits had better wait for that of others than have two small ones.
const BESIDE: usize = 16;
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
    state: Mutex<State>,
    due: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    under_way: usize,
}

impl Queue {
    pub(super) fn push(&self, record: TrafficRecord) -> oneshot::Receiver<()> {
        let (kept, done) = oneshot::channel();
        let mut state = self.state();
        state.waiting.push_back(Waiting { record, kept });
        let is_due = state.is_due();
        drop(state);
        if is_due {
            self.due.notify_one();
        }
        done
    }

    /// The next group, as soon as it is due; it is under way until [`Self::done`].
    pub(super) async fn next(&self) -> Vec<Waiting> {
        loop {
            if let Some(group) = self.take() {
                return group;
            }
            self.due.notified().await;
        }
    }

    fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        if !state.is_due() {
            return None;
        }
        let length = group_length(&state.waiting);
        let group = state.waiting.drain(..length).collect();
        state.under_way += 1;
        if state.is_due() {
            self.due.notify_one();
        }
        Some(group)
    }

    /// A group is where it belongs.
    pub(super) fn done(&self) {
        self.state().under_way -= 1;
    }

    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// A panic while it was locked leaves it whole: records are added and taken one at a time.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a group can begin now: at once when none is under way, else when it is worth it.
    fn is_due(&self) -> bool {
        match self.under_way {
            0 => !self.waiting.is_empty(),
            some => some < COMMITTERS && self.waiting.len() >= BESIDE,
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{body::Body, extract::Request};
    use chrono::DateTime;
    use tokio::task::JoinSet;
    use uuid::Uuid;

    use super::{super::capture::draft, *};

    /// A queue that many records have come to.
    fn queue(records: usize) -> Queue {
        let queue = Queue::default();
        push(&queue, records);
        queue
    }

    fn push(queue: &Queue, records: usize) {
        let request = Request::new(Body::empty());
        for _ in 0..records {
            drop(queue.push(draft(&request, Uuid::nil(), DateTime::UNIX_EPOCH)));
        }
    }

    fn taken(queue: &Queue) -> Option<usize> {
        queue.take().map(|group| group.len())
    }

    #[test]
    fn one_record_alone_is_due_at_once_and_so_is_all_that_waits() {
        assert_eq!(taken(&queue(0)), None);
        assert_eq!(taken(&queue(1)), Some(1));
        assert_eq!(taken(&queue(7)), Some(7));
        assert_eq!(taken(&queue(GROUP_RECORDS + 1)), Some(GROUP_RECORDS));
    }

    #[test]
    fn beside_another_only_a_large_group_begins_and_beside_two_none() {
        let queue = queue(1);
        assert_eq!(taken(&queue), Some(1));
        push(&queue, BESIDE - 1);
        assert_eq!(taken(&queue), None);
        push(&queue, 1);
        assert_eq!(taken(&queue), Some(BESIDE));
        push(&queue, 2 * BESIDE);
        assert_eq!(taken(&queue), None);
        queue.done();
        assert_eq!(taken(&queue), Some(2 * BESIDE));
    }

    #[test]
    fn what_waited_for_a_group_is_due_when_that_is_done() {
        let queue = queue(1);
        assert_eq!(taken(&queue), Some(1));
        push(&queue, 2);
        assert_eq!(taken(&queue), None);
        queue.done();
        assert_eq!(taken(&queue), Some(2));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_a_record_and_by_a_large_group_beside_another() {
        let queue = Arc::new(Queue::default());
        let mut waiting = JoinSet::new();
        for _ in 0..COMMITTERS {
            let queue = Arc::clone(&queue);
            waiting.spawn(async move { queue.next().await.len() });
        }
        tokio::task::yield_now().await;
        push(&queue, 1);
        assert_eq!(waiting.join_next().await.unwrap().unwrap(), 1);
        push(&queue, BESIDE);
        assert_eq!(waiting.join_next().await.unwrap().unwrap(), BESIDE);
    }
}
