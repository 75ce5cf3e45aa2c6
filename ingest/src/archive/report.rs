//! `NAME.report.json` and `NAME.rejected.csv`.

use std::{
    fs::{File, Permissions},
    io::{self, BufReader, Read as _, Seek as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use chrono::{DateTime, Utc};
use domain::{Sha256, file::DataFile};
use serde::Deserialize;
use tempfile::NamedTempFile;

use super::{REJECTED_ROWS, REPORT, beside, is_there, taken};
use crate::regular;

/// A longer file is no report: the longest has the names of a header of a mebibyte.
const LONGEST_REPORT: u64 = 16 << 20;

/// What is read of a report, as far as it is one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    sha256: Option<String>,
    finished_at: Option<String>,
    decision: Option<Decision>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Decision {
    applied_at: Option<String>,
}

impl Report {
    /// Reads a report; an empty one when there is none, or something else in its place.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let Some(file) = regular::open(path)? else {
            return Ok(Self::default());
        };
        let read = serde_json::from_reader(BufReader::new(file.take(LONGEST_REPORT)));
        match read {
            Err(error) if error.is_io() => Err(error.into()),
            read => Ok(read.unwrap_or_default()),
        }
    }

    /// The digest of the file that it is about.
    pub(crate) fn sha256(&self) -> Option<Sha256> {
        self.sha256.as_ref()?.parse().ok()
    }

    /// When the file was judged, or last decided on.
    pub(crate) fn settled_at(&self) -> Option<DateTime<Utc>> {
        let time = |text: &Option<String>| text.as_ref()?.parse().ok();
        let applied_at = self.decision.as_ref().and_then(|it| time(&it.applied_at));
        time(&self.finished_at).max(applied_at)
    }
}

/// Writes the report, which claims the name; false when the name is another file's.
pub(super) fn claim(target: &Path, file: &DataFile) -> io::Result<bool> {
    let path = beside(target, REPORT);
    let is_taken = is_there(&path);
    if is_taken && Report::read(&path)?.sha256() != Some(file.sha256) {
        return Ok(false);
    }
    let report = written(&path, |to| Ok(serde_json::to_writer_pretty(to, file)?))?;
    if is_taken {
        report.persist(&path)?;
        return Ok(true);
    }
    match report.persist_noclobber(&path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        claimed => claimed.map(|_| true).map_err(Into::into),
    }
}

/// Puts the rejected rows beside `target`: a reader sees all of them, or nothing.
pub(super) fn copy_rows(mut rows: &File, target: &Path) -> io::Result<()> {
    rows.rewind()?;
    let path = beside(target, REJECTED_ROWS);
    written(&path, |to| io::copy(&mut rows, to).map(drop))?.persist(path)?;
    Ok(())
}

fn written(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<NamedTempFile> {
    // For whoever may read the inbox, as far as the umask lets them.
    let mut file = taken::staged(path, Permissions::from_mode(0o666))?;
    write(file.as_file_mut())?;
    file.flush()?;
    file.as_file().sync_all()?;
    Ok(file)
}
