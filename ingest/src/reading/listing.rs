//! The list of rejected rows, in a temporary file.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _},
    path::{Path, PathBuf},
};

use datafile::{RejectedRow, write_rejected, write_rejected_header};

use super::{Rejected, Stopped};

/// Rejected rows as CSV; made when there is one.
pub(super) struct Listing {
    scratch: PathBuf,
    limit: u64,
    file: Option<BufWriter<File>>,
}

impl Listing {
    /// An empty list that may hold `limit` bytes, and a block more.
    pub(super) fn new(scratch: &Path, limit: u64) -> Self {
        Self {
            scratch: scratch.to_owned(),
            limit,
            file: None,
        }
    }

    pub(super) fn add(&mut self, rows: &[RejectedRow]) -> Result<(), Stopped> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => begun(&self.scratch)?,
        };
        write_rejected(&mut file, rows)?;
        let bytes = file.get_ref().metadata()?.len();
        self.file = Some(file);
        if bytes > self.limit {
            let text = format!(
                "the list of its bad rows would hold more than {} bytes; none of its rows are used: \
                 mend the bad ones, and drop the whole file again",
                self.limit
            );
            return Err(Stopped::Rejected(Rejected(text)));
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Option<File>> {
        let Some(file) = self.file else { return Ok(None) };
        let mut file = file.into_inner()?;
        file.rewind()?;
        Ok(Some(file))
    }
}

fn begun(scratch: &Path) -> io::Result<BufWriter<File>> {
    let mut file = BufWriter::new(tempfile::tempfile_in(scratch)?);
    write_rejected_header(&mut file)?;
    Ok(file)
}
