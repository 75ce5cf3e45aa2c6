//! Opening a file of the inbox, and the bytes of it.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use domain::Sha256;
use nix::fcntl::OFlag;
use sha2::Digest as _;

/// Bytes that are read at once.
const PART: usize = 1 << 20;

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
    /// The form that a name promises.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let forms = [
            (".csv", Self::Text),
            (".csv.gz", Self::PackedText),
            (".parquet", Self::Table),
        ];
        forms
            .into_iter()
            .find(|(ending, _)| name.ends_with(ending))
            .map(|(_, form)| form)
    }
}

/// A file at one moment: any write to it makes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot {
    device: u64,
    inode: u64,
    pub(crate) bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
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
    let options = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(options.bits())
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let meta = file.metadata()?;
    Ok(meta.is_file().then(|| Opened {
        file,
        form,
        snapshot: Snapshot::from(&meta),
    }))
}

/// The file's present state and digest; none when it is gone.
pub(crate) fn digest(path: &Path) -> io::Result<Option<(Snapshot, Sha256)>> {
    let Some(opened) = open(path)? else {
        return Ok(None);
    };
    let sha256 = Hashing::new(&opened.file).finish()?;
    let after = Snapshot::from(&opened.file.metadata()?);
    Ok((after == opened.snapshot).then_some((after, sha256)))
}

/// Bytes that are hashed as they are read.
pub(super) struct Hashing<'a> {
    file: &'a File,
    hasher: sha2::Sha256,
}

impl<'a> Hashing<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self {
            file,
            hasher: sha2::Sha256::new(),
        }
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
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(open(&link).is_err());
        assert!(open(&inner).unwrap().is_none());
    }

    #[test]
    fn a_write_of_the_same_length_makes_another_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "x").unwrap();
        let (before, sha256) = digest(&path).unwrap().unwrap();
        assert_eq!(sha256, Sha256::of(b"x"));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_ne!(Snapshot::from(&file.metadata().unwrap()), before);
    }
}
