//! One file of the spool: a name of the format, then frames.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, ErrorKind, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use domain::traffic::TrafficRecord;

use super::frame::{self, Frame};

/// The first bytes of every file.
pub(super) const MAGIC: &[u8; 8] = b"lapspl1\n";
const EXTENSION: &str = "spool";
/// Of single records that Postgres refuses.
pub(super) const ASIDE: &str = "refused";

/// A file that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    pub(super) path: PathBuf,
    pub(super) number: u64,
    pub(super) bytes: u64,
}

impl Segment {
    /// Makes a file that is there even if the power goes.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = path(folder, number);
        let mut file = File::create_new(&path)?;
        let begun = file
            .write_all(MAGIC)
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(folder)?.sync_all());
        if let Err(error) = begun {
            // A full disk must not fill with empty files as well; the first error is the one to tell.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self {
            file,
            path,
            number,
            bytes: MAGIC.len() as u64,
        })
    }

    /// Appends and syncs. What is in a file that somebody has deleted is not kept.
    pub(super) fn append(&mut self, group: &[u8]) -> io::Result<()> {
        self.file.write_all(group)?;
        self.bytes += group.len() as u64;
        self.file.sync_data()?;
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(ErrorKind::NotFound, "the file was deleted"));
        }
        Ok(())
    }
}

/// Writes one file of frames, synced.
pub(super) fn write_whole(folder: &Path, path: &Path, frames: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(frames)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.{EXTENSION}"))
}

/// The files in a folder, by number, with their length.
pub(super) fn list(folder: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|it| it == EXTENSION)) {
            files.insert(number, entry.metadata()?.len());
        }
    }
    Ok(files)
}

/// How reading a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every byte of it was read.
    Whole,
    /// The rest is no frame: a write that was cut off, which nobody relied on, or damage.
    Torn {
        /// How many bytes were not read.
        bytes: u64,
    },
}

/// Reads a file's records, in order, until the first that is not whole.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    left: u64,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Whoever opened a pipe would wait for ever.
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is no regular file"));
        }
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        let mut reader = Self {
            file: BufReader::with_capacity(1 << 16, file),
            left,
        };
        let mut magic = [0; MAGIC.len()];
        if left >= MAGIC.len() as u64 {
            reader.file.read_exact(&mut magic)?;
        }
        if &magic == MAGIC {
            reader.left -= MAGIC.len() as u64;
        } else {
            reader.file = BufReader::new(File::open("/dev/null")?);
        }
        Ok(reader)
    }

    /// The next record; at the end, how it ended.
    ///
    /// # Errors
    ///
    /// When the disk cannot be read.
    pub fn read_next(&mut self) -> io::Result<Result<TrafficRecord, Ending>> {
        if self.left == 0 {
            return Ok(Err(Ending::Whole));
        }
        match frame::read(&mut self.file, self.left)? {
            Frame::Record(record, length) => {
                self.left -= length;
                Ok(Ok(*record))
            }
            Frame::Torn => Ok(Err(Ending::Torn { bytes: self.left })),
        }
    }
}
