//! Records that wait for their transaction. Whatever waits when the last group is done is the next; no timer.
//!
//! Two take groups out: the committer in turn, one after the other; and its stand-in while that is late, for a thread
//! or a server's process may be held up by itself, and all that was answered would wait for it.
//!
//! Bounded by who puts records in: each request in hand has one at the most.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::traffic::TrafficRecord;
use tokio::sync::{Notify, oneshot};

/// The most records of one transaction.
const GROUP_RECORDS: usize = 1000;
/// The most bytes of bodies in one transaction, unless a single record has more.
const GROUP_BYTES: usize = 8 << 20;
/// How long the committer may be at one group before its stand-in takes what came meanwhile: three times what a commit
/// takes on a fast disk, so that two are at it only when one is held up.
const LATE: Duration = Duration::from_millis(1);

/// A record, and who waits for it. It goes back to them, for it is cheapest to free on the thread that it came from.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) record: Box<TrafficRecord>,
    pub(super) kept: oneshot::Sender<Box<TrafficRecord>>,
}

/// Many put records in, two take groups out.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    late: Duration,
    for_committer: Notify,
    for_stand_in: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    /// When the committer took its group, or was told that there is something to take. None while it rests.
    busy_since: Option<Instant>,
}

impl Default for Queue {
    fn default() -> Self {
        Self::new(LATE)
    }
}

impl Queue {
    /// The committer is late after so long.
    fn new(late: Duration) -> Self {
        Self {
            inner: Mutex::default(),
            late,
            for_committer: Notify::new(),
            for_stand_in: Notify::new(),
        }
    }

    pub(super) fn push(&self, record: Box<TrafficRecord>) -> oneshot::Receiver<Box<TrafficRecord>> {
        let (kept, done) = oneshot::channel();
        let mut inner = self.lock();
        inner.waiting.push_back(Waiting { record, kept });
        let whom = match inner.busy_since {
            None => {
                inner.busy_since = Some(Instant::now());
                Some(&self.for_committer)
            }
            Some(since) => self.is_late(since).then_some(&self.for_stand_in),
        };
        drop(inner);
        if let Some(whom) = whom {
            whom.notify_one();
        }
        done
    }

    /// The committer's next group, as soon as anything waits.
    pub(super) async fn next(&self) -> Vec<Waiting> {
        loop {
            let group = self.take();
            if !group.is_empty() {
                return group;
            }
            self.for_committer.notified().await;
        }
    }

    /// The stand-in's next group: what waits when a record comes while the committer is late.
    pub(super) async fn overdue(&self) -> Vec<Waiting> {
        loop {
            self.for_stand_in.notified().await;
            let group = self.take_overdue();
            if !group.is_empty() {
                return group;
            }
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut inner = self.lock();
        let group = inner.group();
        inner.busy_since = (!group.is_empty()).then(Instant::now);
        group
    }

    /// Nothing if the committer has come back meanwhile.
    fn take_overdue(&self) -> Vec<Waiting> {
        let mut inner = self.lock();
        match inner.busy_since {
            Some(since) if self.is_late(since) => inner.group(),
            _ => Vec::new(),
        }
    }

    /// Of a committer that has been busy since then.
    fn is_late(&self, since: Instant) -> bool {
        since.elapsed() >= self.late
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// A panic while it was locked leaves it whole: records are added and taken one at a time.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes out what is one transaction.
    fn group(&mut self) -> Vec<Waiting> {
        let length = group_length(&self.waiting);
        self.waiting.drain(..length).collect()
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

    use axum::http::Request;
    use bytes::Bytes;
    use chrono::DateTime;
    use domain::traffic::RecordedBody;
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::{super::capture::draft, *};

    fn record(body: usize) -> Box<TrafficRecord> {
        let (head, ()) = Request::new(()).into_parts();
        let mut record = draft(&head, Uuid::nil(), DateTime::UNIX_EPOCH);
        record.request_body = RecordedBody::whole(Bytes::from(vec![0; body]));
        Box::new(record)
    }

    /// A queue of records with bodies of so many bytes, whose committer is never late.
    fn queue(bodies: &[usize]) -> Queue {
        let queue = Queue::new(Duration::MAX);
        for body in bodies {
            drop(queue.push(record(*body)));
        }
        queue
    }

    #[test]
    fn all_that_waits_is_one_group_up_to_a_number() {
        assert_eq!(queue(&[]).take().len(), 0);
        assert_eq!(queue(&[0]).take().len(), 1);
        assert_eq!(queue(&[0; 7]).take().len(), 7);
        let queue = queue(&[0; GROUP_RECORDS + 1]);
        assert_eq!(queue.take().len(), GROUP_RECORDS);
        assert_eq!(queue.take().len(), 1);
    }

    #[test]
    fn a_group_holds_so_many_bytes_unless_one_record_has_more() {
        let (half, more) = (GROUP_BYTES / 2, GROUP_BYTES + 1);
        let queue = queue(&[half, half, 1, more, 0]);
        let groups: Vec<_> = (0..4).map(|_| queue.take().len()).collect();
        assert_eq!(groups, [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn whoever_takes_is_woken_by_the_first_record_and_finds_those_that_came_meanwhile() {
        let queue = Arc::new(Queue::default());
        let taking = Arc::clone(&queue);
        let taken = tokio::spawn(async move { (taking.next().await.len(), taking.next().await.len()) });
        tokio::task::yield_now().await;
        for _ in 0..3 {
            drop(queue.push(record(0)));
        }
        tokio::task::yield_now().await;
        drop(queue.push(record(0)));
        assert_eq!(taken.await.unwrap(), (3, 1));
    }

    /// What the stand-in gets of one record that the committer has taken and of one that came later, and the committer
    /// afterwards.
    async fn shared(late: Duration) -> (Option<usize>, usize) {
        let queue = Queue::new(late);
        drop(queue.push(record(0)));
        assert_eq!(queue.next().await.len(), 1);
        drop(queue.push(record(0)));
        let overdue = queue.overdue().now_or_never();
        (overdue.map(|group| group.len()), queue.take().len())
    }

    #[tokio::test]
    async fn while_the_committer_is_late_its_stand_in_takes_what_comes() {
        assert_eq!(shared(Duration::ZERO).await, (Some(1), 0));
        assert_eq!(shared(Duration::MAX).await, (None, 1));
    }

    #[tokio::test]
    async fn a_committer_that_is_told_of_a_record_and_does_not_come_is_late_as_well() {
        let queue = Queue::new(Duration::ZERO);
        for _ in 0..2 {
            drop(queue.push(record(0)));
        }
        assert_eq!(queue.overdue().now_or_never().map(|group| group.len()), Some(2));
    }

    #[tokio::test]
    async fn a_committer_that_has_come_back_meanwhile_has_no_stand_in() {
        let mut queue = Queue::new(Duration::ZERO);
        for _ in 0..2 {
            drop(queue.push(record(0)));
        }
        // The stand-in is called by now, and finds a committer that is at work again, and in time.
        queue.late = Duration::MAX;
        assert!(queue.overdue().now_or_never().is_none());
        assert_eq!(queue.take().len(), 2);
    }
}
