//! What all blocks of a file together came to.

use std::{cmp::Reverse, collections::BTreeMap};

use domain::{
    file::{ReasonCount, RowCounts},
    row::Fault,
};

use crate::{Rejection, Rows};

/// How many lines a reason names.
const FIRST_LINES: usize = 10;

/// Counts of rows and reasons, the blocks added in the order of the file.
///
/// Its memory is bounded: there are only so many faults, and each keeps its first 10 lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    accepted: u64,
    rejected: u64,
    reasons: BTreeMap<Fault, Reason>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reason {
    count: u64,
    lines: Vec<u64>,
}

impl Tally {
    /// Adds the rows of the next block.
    pub fn add(&mut self, rows: &Rows) {
        self.accepted += rows.samples.len() as u64;
        self.rejected += rows.rejected.len() as u64;
        for row in &rows.rejected {
            for fault in &row.faults {
                let reason = self.reasons.entry(*fault).or_default();
                reason.count += 1;
                if reason.lines.len() < FIRST_LINES {
                    reason.lines.push(row.line);
                }
            }
        }
    }

    /// How many rows there are; none is known yet.
    #[must_use]
    pub fn counts(&self) -> RowCounts {
        RowCounts {
            rows_read: self.accepted + self.rejected,
            rows_accepted: self.accepted,
            rows_known: 0,
            rows_rejected: self.rejected,
        }
    }

    /// The reasons for rejected rows, most frequent first, equally frequent ones in the order of the columns.
    #[must_use]
    pub fn reasons(&self) -> Vec<ReasonCount> {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, reason)| Reverse(reason.count));
        let count = |(fault, reason): (&Fault, &Reason)| ReasonCount {
            reason: fault.to_string(),
            count: reason.count,
            lines: reason.lines.clone(),
        };
        reasons.into_iter().map(count).collect()
    }

    /// Why the file is rejected: it has no rows, or more than `max_rejected_share` of them are bad.
    #[must_use]
    pub fn judge(&self, max_rejected_share: f64) -> Option<Rejection> {
        let (rejected, read) = (self.rejected, self.accepted + self.rejected);
        if read == 0 {
            return Some(Rejection::NoRows);
        }
        (rejected as f64 > max_rejected_share * read as f64).then_some(Rejection::TooManyRejected {
            rejected,
            read,
            share: max_rejected_share,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RejectedRow;
    use domain::row::{Column, Problem};
    use rstest::rstest;

    const PRICE: Fault = Fault::Value(Column::Price, Problem::NotPositive);

    fn rows(rejected: impl IntoIterator<Item = (u64, Vec<Fault>)>) -> Rows {
        let row = |(line, faults)| RejectedRow {
            line,
            faults,
            text: Vec::new(),
        };
        Rows {
            samples: Vec::new(),
            rejected: rejected.into_iter().map(row).collect(),
        }
    }

    #[test]
    fn reasons_are_most_frequent_first_with_their_first_lines() {
        let mut tally = Tally::default();
        tally.add(&rows([(2, vec![Fault::NotUtf8]), (3, vec![Fault::FieldCount])]));
        tally.add(&rows((4..20).map(|line| (line, vec![PRICE]))));
        let reasons = tally.reasons();
        let told: Vec<_> = reasons
            .iter()
            .map(|reason| (&*reason.reason, reason.count, &*reason.lines))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "price must be greater than 0",
                    16,
                    &[4, 5, 6, 7, 8, 9, 10, 11, 12, 13][..]
                ),
                ("the row has more or fewer fields than the header", 1, &[3]),
                ("the row is not UTF-8 text", 1, &[2]),
            ]
        );
        assert_eq!((tally.counts().rows_read, tally.counts().rows_rejected), (18, 18));
    }

    #[rstest]
    #[case(10, 2, None)]
    #[case(
        10,
        3,
        Some(
            "3 of 10 rows break a rule, more than 20 %; none of its rows are used: mend those rows, and drop the whole file again"
        )
    )]
    #[case(0, 0, Some("the file has a header and no rows"))]
    fn the_share_of_bad_rows_decides(
        #[case] read: u64,
        #[case] rejected: u64,
        #[case] expected: Option<&str>,
    ) {
        let tally = Tally {
            accepted: read - rejected,
            rejected,
            ..Tally::default()
        };
        let rejection = tally.judge(0.2).map(|rejection| rejection.to_string());
        assert_eq!(rejection.as_deref(), expected);
    }
}
