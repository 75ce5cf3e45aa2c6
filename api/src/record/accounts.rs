//! What became of every answer, counted so that it adds up at any moment: answered = committed + spooled.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Answers whose record was durable when they left.
    answered: u64,
    /// Of these, records that a transaction of Postgres held.
    committed: u64,
    /// Of these, records that the spool held.
    spooled: u64,
    /// Records that went from the spool to Postgres.
    drained: u64,
    /// Requests refused because their record could not be kept.
    refused: u64,
    /// Records that Postgres refuses, kept in files of their own.
    set_aside: u64,
}

/// The numbers, changed in whole steps.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    totals: Mutex<Totals>,
    scrape: Mutex<()>,
}

impl Accounts {
    /// So many answers are in Postgres.
    pub(super) fn committed(&self, answers: u64) {
        let mut totals = self.totals();
        totals.answered += answers;
        totals.committed += answers;
    }

    /// So many answers are in the spool.
    pub(super) fn spooled(&self, answers: u64) {
        let mut totals = self.totals();
        totals.answered += answers;
        totals.spooled += answers;
    }

    /// So many records have come from the spool to Postgres.
    pub(super) fn drained(&self, records: u64) {
        self.totals().drained += records;
    }

    /// So many requests were refused.
    pub(super) fn refused(&self, requests: u64) {
        self.totals().refused += requests;
    }

    /// One record is kept in a file of its own.
    pub(super) fn set_aside(&self) {
        self.totals().set_aside += 1;
    }

    /// Hands all numbers of one moment to the metrics, and renders these before anybody else can.
    pub(super) fn scrape<T>(&self, render: impl FnOnce() -> T) -> T {
        let _one_at_a_time = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = *self.totals();
        let outcome = |name: &'static str, number: u64| {
            metrics::counter!("lapidary_traffic_records_total", "outcome" => name).absolute(number);
        };
        metrics::counter!("lapidary_traffic_answered_total").absolute(totals.answered);
        outcome("committed", totals.committed);
        outcome("spooled", totals.spooled);
        metrics::counter!("lapidary_traffic_drained_total").absolute(totals.drained);
        metrics::counter!("lapidary_traffic_refused_total").absolute(totals.refused);
        metrics::counter!("lapidary_traffic_set_aside_total").absolute(totals.set_aside);
        render()
    }

    /// A panic while it was locked leaves numbers, none of them torn.
    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
