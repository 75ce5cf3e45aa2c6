//! Parquet files: the same rules for the same texts.

use std::fs::File;

use datafile::{Columns, RejectedRow, Rows};
use domain::row::{Column, RawRow, RowLimits, judge_within};
use storage::table::{Table, TableError, Texts};

use super::{
    Rejected, Stopped,
    collector::{Collector, Judged},
};

/// Columns of a row.
const WIDTH: usize = Column::ALL.len();

pub(super) fn read(file: &File, limits: &RowLimits, collector: &mut Collector) -> Result<(), Stopped> {
    let mut table = Table::open(file.try_clone()?)?;
    let columns = Columns::find(table.names())?;
    collector.ignore(&columns.ignored);
    let mut line = 1;
    while let Some(texts) = table.read(&columns.positions)? {
        collector.add(Judged::of(rows(&texts, line, limits))?)?;
        line += texts.len() as u64;
    }
    Ok(())
}

/// Judges rows; a line is the row's number, counted from 1.
fn rows(texts: &Texts, first_line: u64, limits: &RowLimits) -> Rows {
    let mut rows = Rows::default();
    for (row, line) in (0..texts.len()).zip(first_line..) {
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
