//! Opening a file of the inbox, and the bytes of it.

use std::{
    fs::{File, Metadata},
    io::{self, BufWriter, Read},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use domain::Sha256;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::{progress::Progress, regular};

/// Bytes that are read at once.
pub(super) const PART: usize = 1 << 20;

/// How the rows of a file are written; its name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `.csv`
    Text,
    /// `.csv.gz`
    PackedText,
    /// `.parquet`
    Table,
}

impl Form {
    /// Every form, with what names of such files end in.
    const ALL: [(&str, Self); 3] = [
        (".csv", Self::Text),
        (".csv.gz", Self::PackedText),
        (".parquet", Self::Table),
    ];

    /// The form that a name promises.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ending(name.as_bytes()).map(|(_, form)| form)
    }

    /// The ending of a name, in lower case; none when the name is not a data file's.
    pub(crate) fn ending(name: &[u8]) -> Option<(&'static str, Self)> {
        let ends_in = |ending: &str| {
            let at = name.len().checked_sub(ending.len());
            at.is_some_and(|at| name[at..].eq_ignore_ascii_case(ending.as_bytes()))
        };
        Self::ALL.into_iter().find(|(ending, _)| ends_in(ending))
    }
}

/// A file at one moment: any write to it makes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    device: u64,
    inode: u64,
    pub(crate) bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Snapshot {
    /// Whether both are of one file, with the same content. A rename is a change too, but of no byte.
    pub(crate) fn is_of_same_file(&self, other: &Self) -> bool {
        Self {
            changed: other.changed,
            ..*self
        } == *other
    }
}

impl From<&Metadata> for Snapshot {
    fn from(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// A file of the inbox, open for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) form: Form,
    pub(crate) snapshot: Snapshot,
}

/// Opens the regular file at `path`; none when there is no such file (any more), or it is something else.
pub(crate) fn open(path: &Path) -> io::Result<Option<Opened>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(form) = Form::of(&name) else {
        return Ok(None);
    };
    let Some(file) = regular::open(path)? else {
        return Ok(None);
    };
    let snapshot = Snapshot::from(&file.metadata()?);
    Ok(Some(Opened { file, form, snapshot }))
}

/// The file's present state and digest; none when it is gone, or changed meanwhile.
pub(crate) fn digest(path: &Path, progress: &Progress) -> io::Result<Option<(Snapshot, Sha256)>> {
    let Some(opened) = open(path)? else {
        return Ok(None);
    };
    let sha256 = Hashing::new(&opened.file, progress).finish()?;
    let after = Snapshot::from(&opened.file.metadata()?);
    Ok((after == opened.snapshot).then_some((after, sha256)))
}

/// Bytes that are hashed as they are read.
pub(super) struct Hashing<'a> {
    file: &'a File,
    hasher: sha2::Sha256,
    progress: &'a Progress,
}

impl<'a> Hashing<'a> {
    pub(super) fn new(file: &'a File, progress: &'a Progress) -> Self {
        Self {
            file,
            hasher: sha2::Sha256::new(),
            progress,
        }
    }

    /// Reads what is left into an unnamed file in `folder`, where nobody can change it.
    pub(super) fn copy(&mut self, folder: &Path) -> io::Result<File> {
        let mut copy = BufWriter::with_capacity(PART, tempfile::tempfile_in(folder)?);
        io::copy(self, &mut copy)?;
        Ok(copy.into_inner()?)
    }

    /// Reads what is left; the digest of it all.
    pub(super) fn finish(mut self) -> io::Result<Sha256> {
        let mut part = vec![0; PART];
        while self.read(&mut part)? > 0 {}
        Ok(Sha256::finish(self.hasher))
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.progress.goes_on();
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;
    use crate::testing::unwatched;

    #[test]
    fn the_name_says_the_form() {
        assert_eq!(Form::of("a.CSV"), Some(Form::Text));
        assert_eq!(Form::of("a.csv.gz"), Some(Form::PackedText));
        assert_eq!(Form::of("a.parquet"), Some(Form::Table));
        assert_eq!(Form::of("a.png"), None);
    }

    #[test]
    fn links_and_folders_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, inner) = (
            folder.path().join("a.csv"),
            folder.path().join("b.csv"),
            folder.path().join("c.csv"),
        );
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::fs::create_dir(&inner).unwrap();
        assert!(open(&file).unwrap().is_some());
        assert!(open(&link).unwrap().is_none());
        assert!(open(&inner).unwrap().is_none());
    }

    #[test]
    fn a_write_of_the_same_length_makes_another_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "x").unwrap();
        let (before, sha256) = digest(&path, &unwatched()).unwrap().unwrap();
        assert_eq!(sha256, Sha256::of(b"x"));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let after = Snapshot::from(&file.metadata().unwrap());
        assert!(after != before && !after.is_of_same_file(&before));
    }

    #[test]
    fn a_renamed_file_is_the_same_and_one_of_the_same_bytes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1.csv"), folder.path().join("2.csv"));
        std::fs::write(&one, "x").unwrap();
        let snapshot = |path: &Path| open(path).unwrap().unwrap().snapshot;
        let before = snapshot(&one);
        std::fs::rename(&one, &two).unwrap();
        assert!(snapshot(&two).is_of_same_file(&before));
        std::fs::write(&one, "x").unwrap();
        assert!(!snapshot(&one).is_of_same_file(&before));
    }
}
