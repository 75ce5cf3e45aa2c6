//! Collecting what the rows came to.

use std::io;

use datafile::{Rows, Tally};
use domain::{SampleHash, Sha256, profile::Sampler};
use storage::{
    StorageError,
    batch::{BatchWriter, Part},
};

use super::{Good, Outcome, Reading, Rejected, Rules, Stopped, listing::Listing};
use crate::known::Sorter;

/// Rows, and what can be made of them on any thread.
pub(super) struct Judged {
    rows: Rows,
    hashes: Vec<SampleHash>,
    part: Part,
}

impl Judged {
    pub(super) fn of(rows: Rows) -> io::Result<Self> {
        let hashes = rows.samples.iter().map(SampleHash::of).collect();
        let part = Part::of(&rows.samples).map_err(local)?;
        Ok(Self { rows, hashes, part })
    }
}

/// Takes rows in the order of the file.
pub(super) struct Collector {
    tally: Tally,
    ignored_columns: Vec<String>,
    batch: BatchWriter,
    sorter: Sorter<SampleHash>,
    sampler: Sampler,
    rejected: Listing,
}

impl Collector {
    pub(super) fn new(rules: &Rules) -> io::Result<Self> {
        Ok(Self {
            tally: Tally::default(),
            ignored_columns: Vec::new(),
            batch: BatchWriter::new(tempfile::tempfile_in(&rules.scratch)?).map_err(local)?,
            sorter: Sorter::new(&rules.scratch),
            sampler: Sampler::default(),
            rejected: Listing::new(&rules.scratch, rules.limits.expanded_bytes),
        })
    }

    /// Names the columns that nobody asked for.
    pub(super) fn ignore(&mut self, columns: &[String]) {
        self.ignored_columns = columns.to_vec();
    }

    pub(super) fn add(&mut self, judged: Judged) -> Result<(), Stopped> {
        let Judged { rows, hashes, part } = judged;
        self.tally.add(&rows);
        for (hash, sample) in hashes.iter().zip(&rows.samples) {
            self.sampler.add(*hash, sample);
        }
        self.sorter.add(&hashes)?;
        self.batch.write(&part).map_err(local)?;
        self.rejected.add(&rows.rejected)
    }

    /// Completes the reading; `stopped` says why it ended early.
    pub(super) fn finish(
        self,
        sha256: Sha256,
        stopped: Option<Rejected>,
        max_rejected_share: f64,
    ) -> io::Result<Reading> {
        let too_many = || {
            self.tally
                .judge(max_rejected_share)
                .map(|reason| Rejected(reason.to_string()))
        };
        let outcome = match stopped.or_else(too_many) {
            Some(reason) => Outcome::Bad(reason),
            None => Outcome::Good(Box::new(Good {
                batch: self.batch.finish().map_err(local)?,
                hashes: self.sorter,
                sampler: self.sampler,
            })),
        };
        Ok(Reading {
            sha256,
            tally: self.tally,
            ignored_columns: self.ignored_columns,
            rejected: self.rejected.finish()?,
            outcome,
        })
    }
}

/// Whatever keeps a batch from being written to a local file is local.
fn local(error: StorageError) -> io::Error {
    match error {
        StorageError::Io(error) => error,
        error => io::Error::other(error),
    }
}
