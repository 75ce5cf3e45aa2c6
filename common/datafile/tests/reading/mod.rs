//! Reading a file as the ingest service does, on one thread.

use datafile::{Limits, ReadError, RejectedRow, Rejection, Splitter, Tally, read_block};
use domain::Sample;

pub const HEADER: &str = "carat,cut,color,clarity,depth,table,price,x,y,z";
pub const GOOD: &str = "1.1,Ideal,H,SI2,62.0,55.0,4733,6.61,6.65,4.11";

/// What a file holds.
#[derive(Debug, Default)]
pub struct Reading {
    pub samples: Vec<Sample>,
    pub rejected: Vec<RejectedRow>,
    pub tally: Tally,
}

impl Reading {
    pub fn of(file: &[u8], limits: Limits) -> Result<Self, ReadError> {
        let mut splitter = Splitter::open(file, limits)?;
        let mut reading = Self::default();
        while let Some(block) = splitter.next_block()? {
            let rows = read_block(&block, splitter.header())?;
            reading.tally.add(&rows);
            reading.samples.extend(rows.samples);
            reading.rejected.extend(rows.rejected);
        }
        Ok(reading)
    }
}

/// Why the file as a whole is rejected, if it is.
pub fn rejection(file: &[u8], limits: Limits) -> Option<Rejection> {
    match Reading::of(file, limits) {
        Ok(reading) => reading.tally.judge(0.2),
        Err(ReadError::Rejected(rejection)) => Some(rejection),
        // A slice does not fail.
        Err(ReadError::Io(_)) => None,
    }
}

/// Limits that make many blocks of a few rows.
pub fn small() -> Limits {
    Limits {
        record_bytes: 1000,
        block_bytes: 16,
        ..Limits::default()
    }
}
