//! Refusals for a caller's rate: one record a second and address, with the number of those that it stands for.
//!
//! The first of a second is recorded before it is answered, as every request is. Those that follow are counted here, and
//! are answered when they are: the next record of the address tells their number, or one of their own when none comes.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::traffic::{RecordedBody, TrafficRecord};

use super::capture::{BEYOND_BUDGET, shorten};

/// Addresses that are told apart; each takes less than two kilobytes. The others share one record.
const MOST_ADDRESSES: usize = 10_000;

/// Refusals that are counted and not on record yet.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    of: HashMap<Option<IpAddr>, OfAddress>,
    /// Nobody would write down any more what is counted.
    is_closed: bool,
}

#[derive(Debug)]
struct OfAddress {
    /// Of the last record.
    second: i64,
    /// Since then.
    count: u32,
    /// The last of them.
    last: Option<Box<TrafficRecord>>,
}

impl Refusals {
    /// Takes a refused request; gives it back to be recorded unless it is counted.
    pub(super) fn take(&self, address: IpAddr, mut record: Box<TrafficRecord>) -> Option<Box<TrafficRecord>> {
        let second = record.at.timestamp();
        let mut inner = self.lock();
        if inner.is_closed {
            return Some(record);
        }
        let is_crowded = inner.of.len() >= MOST_ADDRESSES;
        let place = Some(address).filter(|it| !is_crowded || inner.of.contains_key(&Some(*it)));
        let Some(of) = inner.of.get_mut(&place) else {
            let (count, last) = (0, None);
            inner.of.insert(place, OfAddress { second, count, last });
            return Some(record);
        };
        if of.second == second {
            of.count = of.count.saturating_add(1);
            if place.is_none() {
                record.client = None;
            }
            of.last = Some(small(record));
            metrics::counter!("lapidary_traffic_repeats_total").increment(1);
            return None;
        }
        of.second = second;
        of.last = None;
        record.repeats = mem::take(&mut of.count);
        Some(record)
    }

    /// The records of what was counted before this second.
    #[expect(clippy::vec_box, reason = "a record is handed on in the box that it came in")]
    pub(super) fn before(&self, second: i64) -> Vec<Box<TrafficRecord>> {
        let mut inner = self.lock();
        let over = inner.of.extract_if(|_, of| of.second < second);
        over.filter_map(|(_, of)| of.record()).collect()
    }

    /// The records of all that was counted; from now on every refusal is recorded.
    #[expect(clippy::vec_box, reason = "a record is handed on in the box that it came in")]
    pub(super) fn close(&self) -> Vec<Box<TrafficRecord>> {
        let mut inner = self.lock();
        inner.is_closed = true;
        let over = mem::take(&mut inner.of).into_values();
        over.filter_map(OfAddress::record).collect()
    }

    /// A panic while it was locked leaves it whole: numbers are changed one at a time.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfAddress {
    /// The last request's, which stands for those before it.
    fn record(self) -> Option<Box<TrafficRecord>> {
        let mut record = self.last?;
        record.repeats = self.count.saturating_sub(1);
        Some(record)
    }
}

/// What is kept of one of many.
fn small(mut record: Box<TrafficRecord>) -> Box<TrafficRecord> {
    shorten(&mut record, &BEYOND_BUDGET);
    record.request_body = RecordedBody::default();
    record.response_body = RecordedBody::default();
    record
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use chrono::DateTime;
    use uuid::Uuid;

    use super::{super::capture::draft, *};

    fn refused(second: i64) -> Box<TrafficRecord> {
        let (head, ()) = Request::new(()).into_parts();
        let at = DateTime::from_timestamp(second, 0).unwrap();
        Box::new(draft(&head, Uuid::nil(), at))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// For how many requests the records stand.
    fn stand_for(records: &[Box<TrafficRecord>]) -> u64 {
        records.iter().map(|record| record.requests()).sum()
    }

    /// S8: a flood is one record a second and address, and none of it is forgotten.
    #[test]
    fn refusals_are_one_record_a_second_and_address_and_their_number_adds_up() {
        let refusals = Refusals::default();
        let mut records = Vec::new();
        for second in 0..3 {
            for request in 0..100 {
                records.extend(refusals.take(address(request % 2), refused(second)));
            }
        }
        assert_eq!(records.len(), 6);
        assert_eq!(stand_for(&records), 300 - 2 * 49);
        assert!(refusals.before(2).is_empty(), "this second is not over");
        let rest = refusals.before(3);
        assert_eq!((rest.len(), stand_for(&rest)), (2, 2 * 49));
        assert!(refusals.before(4).is_empty());
        assert!(refusals.lock().of.is_empty(), "whoever has gone is forgotten");
    }

    #[test]
    fn at_the_end_all_are_on_record() {
        let refusals = Refusals::default();
        let first = (0..5)
            .filter_map(|_| refusals.take(address(1), refused(0)))
            .count();
        assert_eq!(first, 1);
        assert_eq!(stand_for(&refusals.close()), 4);
        assert!(refusals.take(address(1), refused(0)).is_some());
        assert!(refusals.close().is_empty());
    }

    #[test]
    fn memory_is_bounded_and_all_are_counted_still() {
        let refusals = Refusals::default();
        let mut records = Vec::new();
        for number in 0..MOST_ADDRESSES as u32 + 100 {
            let address = IpAddr::from(number.to_be_bytes());
            records.extend(refusals.take(address, refused(0)));
        }
        assert_eq!(records.len(), MOST_ADDRESSES + 1);
        assert!(refusals.lock().of.len() <= MOST_ADDRESSES + 1);
        records.extend(refusals.close());
        assert_eq!(stand_for(&records), MOST_ADDRESSES as u64 + 100);
    }
}
