//! Sample hashes in order, in a local file: a header, then 16 bytes each. Files of the same form are in the object
//! store, so it never changes; another form or another hash would be another name.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

use domain::{SampleHash, Sha256};
use sha2::Digest as _;
use storage::batch::Written;

/// Hashes that are read at once.
const BLOCK: usize = 512;
const HASH: usize = SampleHash::BYTES;
/// The form and the hash, by name.
const HEADER: &[u8; 32] = b"lapidary-hashes-1 of 128 bits  \n";
/// Bytes that are hashed in one go.
const PIECE: usize = 1 << 20;

/// Distinct hashes, ascending; in memory is only the first of each block.
#[derive(Debug)]
pub(crate) struct Run {
    file: File,
    fence: Vec<SampleHash>,
    len: u64,
}

/// Writes a run.
pub(crate) struct RunWriter {
    file: BufWriter<File>,
    fence: Vec<SampleHash>,
    len: u64,
}

impl RunWriter {
    /// Begins in an empty file.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 16, file);
        file.write_all(HEADER)?;
        Ok(Self {
            file,
            fence: Vec::new(),
            len: 0,
        })
    }

    /// Adds a hash above all those before.
    pub(crate) fn push(&mut self, hash: SampleHash) -> io::Result<()> {
        if self.len.is_multiple_of(BLOCK as u64) {
            self.fence.push(hash);
        }
        self.len += 1;
        self.file.write_all(&hash.to_bytes())
    }

    pub(crate) fn finish(self) -> io::Result<Run> {
        Ok(Run {
            file: self.file.into_inner()?,
            fence: self.fence,
            len: self.len,
        })
    }
}

impl Run {
    /// The hashes in a file that a writer wrote.
    pub(crate) fn open(file: File) -> io::Result<Self> {
        let mut header = [0; HEADER.len()];
        let bytes = file.metadata()?.len().checked_sub(HEADER.len() as u64);
        let len = bytes.filter(|bytes| bytes.is_multiple_of(HASH as u64));
        let len = len.ok_or(io::ErrorKind::InvalidData)? / HASH as u64;
        file.read_exact_at(&mut header, 0)?;
        if header != *HEADER {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "these are no hashes of this version",
            ));
        }
        let mut run = Self {
            file,
            fence: Vec::new(),
            len,
        };
        for block in 0..len.div_ceil(BLOCK as u64) {
            run.fence.extend(run.read(block * BLOCK as u64, 1)?);
        }
        Ok(run)
    }

    /// The file, as the object store takes it.
    pub(crate) fn written(&self) -> io::Result<Written> {
        let (mut hasher, mut piece) = (sha2::Sha256::new(), vec![0; PIECE]);
        let mut at = 0;
        loop {
            let read = self.file.read_at(&mut piece, at)?;
            if read == 0 {
                break;
            }
            hasher.update(&piece[..read]);
            at += read as u64;
        }
        Ok(Written {
            file: self.file.try_clone()?,
            sha256: Sha256::finish(hasher),
        })
    }

    /// How many hashes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Every hash, ascending.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter {
            run: self,
            next: 0,
            hashes: Vec::new().into_iter(),
        }
    }

    /// Looks up ascending hashes; each block is read once.
    pub(crate) fn lookup(self: &Arc<Self>) -> Lookup {
        Lookup {
            run: Arc::clone(self),
            block: None,
            hashes: Vec::new(),
        }
    }

    fn block(&self, block: usize) -> io::Result<Vec<SampleHash>> {
        self.read((block * BLOCK) as u64, BLOCK)
    }

    fn read(&self, first: u64, most: usize) -> io::Result<Vec<SampleHash>> {
        let count = (self.len - first).min(most as u64) as usize;
        let mut bytes = vec![0; count * HASH];
        let at = HEADER.len() as u64 + first * HASH as u64;
        self.file.read_exact_at(&mut bytes, at)?;
        let (hashes, _) = bytes.as_chunks::<HASH>();
        Ok(hashes
            .iter()
            .map(|bytes| SampleHash::from_bytes(*bytes))
            .collect())
    }
}

/// The hashes of a run.
pub(crate) struct Iter<'a> {
    run: &'a Run,
    next: u64,
    hashes: std::vec::IntoIter<SampleHash>,
}

impl Iter<'_> {
    fn refill(&mut self) -> io::Result<Option<SampleHash>> {
        let hashes = self.run.read(self.next, BLOCK * 16)?;
        self.next += hashes.len() as u64;
        self.hashes = hashes.into_iter();
        Ok(self.hashes.next())
    }
}

impl Iterator for Iter<'_> {
    type Item = io::Result<SampleHash>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.hashes.next() {
            Some(hash) => Some(Ok(hash)),
            None => self.refill().transpose(),
        }
    }
}

/// Answers which hashes a run has.
pub(crate) struct Lookup {
    run: Arc<Run>,
    block: Option<usize>,
    hashes: Vec<SampleHash>,
}

impl Lookup {
    /// Whether the run has `hash`.
    pub(crate) fn has(&mut self, hash: SampleHash) -> io::Result<bool> {
        let Some(block) = self
            .run
            .fence
            .partition_point(|first| *first <= hash)
            .checked_sub(1)
        else {
            return Ok(false);
        };
        if self.block != Some(block) {
            self.hashes = self.run.block(block)?;
            self.block = Some(block);
        }
        Ok(self.hashes.binary_search(&hash).is_ok())
    }
}
