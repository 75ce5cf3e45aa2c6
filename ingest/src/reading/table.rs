//! Parquet files: the same rules for the same texts.

use std::{fs::File, ops::Range};

use datafile::{Columns, RejectedRow, Rejection, Rows};
use domain::row::{Column, RawRow, RowLimits, judge_within};
use storage::table::{Table, TableError, Texts};

use super::{
    Rejected, Rules, Stopped,
    collector::{Collector, Judged},
};
use crate::progress::Progress;

/// Columns of a row.
const WIDTH: usize = Column::ALL.len();
/// Rows that are judged at once: the text of each that is bad is held until then.
const BLOCK: usize = 1 << 13;

pub(super) fn read(
    file: &File,
    rules: &Rules,
    progress: &Progress,
    collector: &mut Collector,
) -> Result<(), Stopped> {
    let mut table = Table::open(file.try_clone()?)?;
    let columns = Columns::find(table.names())?;
    collector.ignore(&columns.ignored);
    let (mut line, mut left) = (1, rules.limits.expanded_bytes);
    while let Some(texts) = table.read(&columns.positions)? {
        for first in (0..texts.len()).step_by(BLOCK) {
            let block = first..texts.len().min(first + BLOCK);
            left = left.checked_sub(length(&texts, block.clone())).ok_or_else(|| {
                let limit = rules.limits.expanded_bytes;
                Stopped::from(Rejection::TooLarge { limit })
            })?;
            let (count, rows) = (
                block.len() as u64,
                rows(&texts, block, line, &rules.limits.values),
            );
            collector.add(Judged::of(rows)?)?;
            line += count;
            progress.goes_on();
        }
    }
    Ok(())
}

/// How many bytes these rows would be in a text file.
fn length(texts: &Texts, block: Range<usize>) -> u64 {
    let row = |row| (0..WIDTH).map(move |column| texts.get(column, row).len() as u64 + 1);
    block.flat_map(row).sum()
}

/// Judges rows; a line is the row's number, counted from 1.
fn rows(texts: &Texts, block: Range<usize>, first_line: u64, limits: &RowLimits) -> Rows {
    let mut rows = Rows::default();
    for (row, line) in block.zip(first_line..) {
        let row: [&str; WIDTH] = std::array::from_fn(|column| texts.get(column, row));
        match judge_within(&RawRow(row), limits) {
            Ok(sample) => rows.samples.push(sample),
            Err(faults) => rows.rejected.push(RejectedRow {
                line,
                faults,
                text: row.join(",").into_bytes(),
            }),
        }
    }
    rows
}

impl From<TableError> for Stopped {
    fn from(error: TableError) -> Self {
        Self::Rejected(Rejected(error.to_string()))
    }
}
