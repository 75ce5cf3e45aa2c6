//! Reading a data file of any size in bounded memory: its good rows into a batch, the others into a list of what is
//! wrong with them, and a description of it all.

mod collector;
mod digesting;
mod listing;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::{fs::File, io, path::PathBuf};

use datafile::{Limits, ReadError, Rejection, Tally, gzip};
use domain::{SampleHash, Sha256, file::FileStatus, profile::Sampler};
use storage::batch::Written;

use crate::{known::Sorter, progress::Progress};
use collector::Collector;
pub(crate) use digesting::Digesting;
use source::Hashing;
pub(crate) use source::{Form, Opened, Snapshot, digest, open};

/// How files are read.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Where unnamed files are made.
    pub(crate) scratch: PathBuf,
    /// A file with a larger share of bad rows is rejected whole.
    pub(crate) max_rejected_share: f64,
    pub(crate) limits: Limits,
}

/// What a file holds.
pub(crate) struct Reading {
    /// The digest of every byte that was read.
    pub(crate) sha256: Sha256,
    pub(crate) tally: Tally,
    pub(crate) ignored_columns: Vec<String>,
    /// The rejected rows as CSV.
    pub(crate) rejected: Option<File>,
    pub(crate) outcome: Outcome,
}

/// Whether a file can be used.
pub(crate) enum Outcome {
    Good(Box<Good>),
    Bad(Rejected),
}

/// Why nothing of a file is used, in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rejected(pub(crate) String);

/// The good rows, repeated ones included.
pub(crate) struct Good {
    pub(crate) batch: Written,
    /// To be sorted while other things are waited for.
    pub(crate) hashes: Sorter<SampleHash>,
    pub(crate) sampler: Sampler,
}

/// Why reading stopped.
enum Stopped {
    /// The machine failed: try again.
    Io(io::Error),
    /// The file is not one that can be used.
    Rejected(Rejected),
}

/// Reads an opened file to its end.
pub(crate) fn read(opened: &Opened, rules: &Rules, progress: &Progress) -> io::Result<Reading> {
    let mut collector = Collector::new(rules)?;
    let mut source = Hashing::new(&opened.file, progress);
    let read = match opened.form {
        // What is decoded is what was hashed: the file itself may be cut off meanwhile, which ends a process that
        // has it mapped into its memory.
        Form::Table => table::read(&source.copy(&rules.scratch)?, rules, progress, &mut collector),
        Form::Text => text::read(&mut source, rules, progress, &mut collector),
        Form::PackedText => {
            let unpacked = gzip::Reader::new(&mut source);
            text::read(unpacked, rules, progress, &mut collector)
        }
    };
    let stopped = match read {
        Ok(()) => None,
        Err(Stopped::Rejected(reason)) => Some(reason),
        Err(Stopped::Io(error)) => return Err(error),
    };
    let sha256 = source.finish()?;
    collector.finish(sha256, stopped, rules.max_rejected_share)
}

impl Reading {
    /// Of a file that nothing but the digest was read of.
    pub(crate) fn unread(sha256: Sha256, reason: String) -> Self {
        Self {
            sha256,
            tally: Tally::default(),
            ignored_columns: Vec::new(),
            rejected: None,
            outcome: Outcome::Bad(Rejected(reason)),
        }
    }

    /// What becomes of the file, as far as its rows decide.
    pub(crate) fn status(&self) -> FileStatus {
        match self.outcome {
            Outcome::Good(_) => FileStatus::Accepted,
            Outcome::Bad(_) => FileStatus::Rejected,
        }
    }

    /// Why the file as a whole is rejected.
    pub(crate) fn rejection(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Good(_) => None,
            Outcome::Bad(reason) => Some(reason.0.clone()),
        }
    }
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Io(error),
            ReadError::Rejected(reason) => reason.into(),
        }
    }
}

impl From<Rejection> for Stopped {
    fn from(reason: Rejection) -> Self {
        Self::Rejected(Rejected(reason.to_string()))
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
