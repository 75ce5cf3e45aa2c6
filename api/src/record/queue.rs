//! Records that wait for their transaction. Whatever waits when the last group is done is the next; no timer.
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
    pub(super) record: Box<TrafficRecord>,
    pub(super) kept: oneshot::Sender<()>,
}

/// Many put records in, one takes groups out.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Waiting>>,
    first: Notify,
}

impl Queue {
    pub(super) fn push(&self, record: Box<TrafficRecord>) -> oneshot::Receiver<()> {
        let (kept, done) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.push_back(Waiting { record, kept });
        let is_first = waiting.len() == 1;
        drop(waiting);
        if is_first {
            self.first.notify_one();
        }
        done
    }

    /// The next group, as soon as anything waits.
    pub(super) async fn next(&self) -> Vec<Waiting> {
        loop {
            let group = self.take();
            if !group.is_empty() {
                return group;
            }
            self.first.notified().await;
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let length = group_length(&waiting);
        waiting.drain(..length).collect()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::Request;
    use bytes::Bytes;
    use chrono::DateTime;
    use domain::traffic::RecordedBody;
    use uuid::Uuid;

    use super::{super::capture::draft, *};

    fn record(body: usize) -> Box<TrafficRecord> {
        let (head, ()) = Request::new(()).into_parts();
        let mut record = draft(&head, Uuid::nil(), DateTime::UNIX_EPOCH);
        record.request_body = RecordedBody::whole(Bytes::from(vec![0; body]));
        Box::new(record)
    }

    /// A queue of records with bodies of so many bytes.
    fn queue(bodies: &[usize]) -> Queue {
        let queue = Queue::default();
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
}
