//! Sample hashes in order, in a local file.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
};

use domain::SampleHash;

/// Hashes that are read at once.
const BLOCK: usize = 512;
const HASH: usize = SampleHash::BYTES;

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
    pub(crate) fn new(file: File) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 16, file),
            fence: Vec::new(),
            len: 0,
        }
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
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup {
            run: self,
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
        self.file.read_exact_at(&mut bytes, first * HASH as u64)?;
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
pub(crate) struct Lookup<'a> {
    run: &'a Run,
    block: Option<usize>,
    hashes: Vec<SampleHash>,
}

impl Lookup<'_> {
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
