//! Collecting what the rows came to.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _},
    path::{Path, PathBuf},
};

use datafile::{RejectedRow, Rows, Tally, write_rejected, write_rejected_header};
use domain::{Sample, SampleHash, Sha256, profile::Sampler};
use storage::{StorageError, batch::BatchWriter};

use super::{Good, Outcome, Reading, Rejected};
use crate::known::Sorter;

/// Rows, and the hashes of the good ones.
pub(super) struct Judged {
    rows: Rows,
    hashes: Vec<SampleHash>,
}

impl From<Rows> for Judged {
    fn from(rows: Rows) -> Self {
        let hashes = rows.samples.iter().map(SampleHash::of).collect();
        Self { rows, hashes }
    }
}

/// Takes rows in the order of the file.
pub(super) struct Collector {
    scratch: PathBuf,
    tally: Tally,
    ignored_columns: Vec<String>,
    batch: BatchWriter,
    sorter: Sorter,
    sampler: Sampler,
    rejected: Option<BufWriter<File>>,
}

impl Collector {
    pub(super) fn new(scratch: &Path) -> io::Result<Self> {
        Ok(Self {
            scratch: scratch.to_owned(),
            tally: Tally::default(),
            ignored_columns: Vec::new(),
            batch: BatchWriter::new(tempfile::tempfile_in(scratch)?).map_err(local)?,
            sorter: Sorter::new(scratch),
            sampler: Sampler::default(),
            rejected: None,
        })
    }

    /// Names the columns that nobody asked for.
    pub(super) fn ignore(&mut self, columns: &[String]) {
        self.ignored_columns = columns.to_vec();
    }

    pub(super) fn add(&mut self, judged: Judged) -> io::Result<()> {
        let Judged { rows, hashes } = judged;
        self.tally.add(&rows);
        self.keep(&rows.samples, &hashes)?;
        self.reject(&rows.rejected)
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
                hashes: self.sorter.finish()?,
                sampler: self.sampler,
            })),
        };
        Ok(Reading {
            sha256,
            tally: self.tally,
            ignored_columns: self.ignored_columns,
            rejected: self.rejected.map(rewound).transpose()?,
            outcome,
        })
    }

    fn keep(&mut self, samples: &[Sample], hashes: &[SampleHash]) -> io::Result<()> {
        for (hash, sample) in hashes.iter().zip(samples) {
            self.sampler.add(*hash, sample);
        }
        self.sorter.add(hashes)?;
        self.batch.write(samples).map_err(local)
    }

    fn reject(&mut self, rows: &[RejectedRow]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut file = match self.rejected.take() {
            Some(file) => file,
            None => {
                let mut file = BufWriter::new(tempfile::tempfile_in(&self.scratch)?);
                write_rejected_header(&mut file)?;
                file
            }
        };
        write_rejected(&mut file, rows)?;
        self.rejected = Some(file);
        Ok(())
    }
}

/// Whatever keeps a batch from being written to a local file is local.
fn local(error: StorageError) -> io::Error {
    match error {
        StorageError::Io(error) => error,
        error => io::Error::other(error),
    }
}

fn rewound(file: BufWriter<File>) -> io::Result<File> {
    let mut file = file.into_inner()?;
    file.rewind()?;
    Ok(file)
}
