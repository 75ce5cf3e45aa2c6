//! Sorting more hashes than fit into memory: they are dealt into buckets by their first bits, and each bucket is
//! sorted by itself.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    thread,
};

use crossbeam_channel::bounded;
use domain::SampleHash;

use super::run::{Run, RunWriter};

/// Hashes that are kept in memory: 16 MiB of them.
const IN_MEMORY: usize = 1 << 20;
/// So many that a bucket of a hundred million hashes fits into memory.
const BUCKETS: usize = 128;
const HASH: usize = SampleHash::BYTES;

/// Sorts hashes, and finds those that repeat.
pub(crate) struct Sorter {
    scratch: PathBuf,
    waiting: Vec<SampleHash>,
    buckets: Vec<BufWriter<File>>,
    count: u64,
}

/// The distinct hashes of what was sorted.
#[derive(Debug)]
pub(crate) struct Distinct {
    pub(crate) hashes: Run,
    /// How many hashes were the same as one before.
    pub(crate) repeats: u64,
}

impl Sorter {
    /// Uses unnamed files in the folder `scratch`.
    pub(crate) fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_owned(),
            waiting: Vec::new(),
            buckets: Vec::new(),
            count: 0,
        }
    }

    pub(crate) fn add(&mut self, hashes: &[SampleHash]) -> io::Result<()> {
        self.count += hashes.len() as u64;
        self.waiting.extend_from_slice(hashes);
        if self.waiting.len() >= IN_MEMORY {
            self.deal()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<Distinct> {
        let mut run = RunWriter::new(tempfile::tempfile_in(&self.scratch)?);
        if self.buckets.is_empty() {
            let hashes = sort_distinct(self.waiting);
            hashes.into_iter().try_for_each(|hash| run.push(hash))?;
        } else {
            self.deal()?;
            write_buckets(self.buckets, &mut run)?;
        }
        let hashes = run.finish()?;
        Ok(Distinct {
            repeats: self.count - hashes.len(),
            hashes,
        })
    }

    /// Moves what waits into the buckets.
    fn deal(&mut self) -> io::Result<()> {
        if self.buckets.is_empty() {
            let bucket = |_| tempfile::tempfile_in(&self.scratch).map(BufWriter::new);
            self.buckets = (0..BUCKETS).map(bucket).collect::<Result<_, _>>()?;
        }
        for hash in self.waiting.drain(..) {
            let bytes = hash.to_bytes();
            self.buckets[usize::from(bytes[0]) * BUCKETS / 256].write_all(&bytes)?;
        }
        Ok(())
    }
}

/// One thread reads and sorts the next bucket while this one writes.
fn write_buckets(buckets: Vec<BufWriter<File>>, run: &mut RunWriter) -> io::Result<()> {
    let (sender, sorted) = bounded(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for bucket in buckets {
                let hashes = bucket.into_inner().map_err(Into::into).and_then(read);
                let hashes = hashes.map(sort_distinct);
                if sender.send(hashes).is_err() {
                    break;
                }
            }
        });
        for hashes in sorted {
            hashes?.into_iter().try_for_each(|hash| run.push(hash))?;
        }
        Ok(())
    })
}

fn sort_distinct(mut hashes: Vec<SampleHash>) -> Vec<SampleHash> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn read(mut bucket: File) -> io::Result<Vec<SampleHash>> {
    bucket.rewind()?;
    let mut bytes = Vec::new();
    bucket.read_to_end(&mut bytes)?;
    let (hashes, _) = bytes.as_chunks::<HASH>();
    Ok(hashes
        .iter()
        .map(|bytes| SampleHash::from_bytes(*bytes))
        .collect())
}

/// One run of the hashes of both, each once.
pub(crate) fn merge(scratch: &Path, one: &Run, other: &Run) -> io::Result<Run> {
    let mut merged = RunWriter::new(tempfile::tempfile_in(scratch)?);
    let (mut ones, mut others) = (one.iter(), other.iter());
    let (mut a, mut b) = (ones.next().transpose()?, others.next().transpose()?);
    while let Some(least) = [a, b].into_iter().flatten().min() {
        merged.push(least)?;
        if a == Some(least) {
            a = ones.next().transpose()?;
        }
        if b == Some(least) {
            b = others.next().transpose()?;
        }
    }
    merged.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn hash(number: u64) -> SampleHash {
        let mut bytes = [0; SampleHash::BYTES];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        SampleHash::from_bytes(bytes)
    }

    fn run(folder: &Path, numbers: &[u64]) -> Run {
        let mut sorter = Sorter::new(folder);
        sorter
            .add(&numbers.iter().map(|number| hash(*number)).collect::<Vec<_>>())
            .unwrap();
        sorter.finish().unwrap().hashes
    }

    fn numbers() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(0_u64..4000, 0..3000)
    }

    proptest! {
        #[test]
        fn two_runs_merge_into_the_set_of_their_hashes(one in numbers(), other in numbers()) {
            let folder = tempfile::tempdir().unwrap();
            let merged = merge(folder.path(), &run(folder.path(), &one), &run(folder.path(), &other)).unwrap();
            let expected: BTreeSet<_> = one.iter().chain(&other).map(|number| hash(*number)).collect();
            let found: Vec<_> = merged.iter().map(Result::unwrap).collect();
            prop_assert_eq!(&found, &expected.iter().copied().collect::<Vec<_>>());
            let mut lookup = merged.lookup();
            for number in 0..4000 {
                prop_assert_eq!(lookup.has(hash(number)).unwrap(), expected.contains(&hash(number)));
            }
        }
    }

    #[test]
    fn more_hashes_than_fit_into_memory_are_sorted_and_counted_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path());
        let hashes: Vec<_> = (0..IN_MEMORY as u64 / 2 + 100).map(hash).collect();
        for _ in 0..5 {
            sorter.add(&hashes).unwrap();
        }
        let distinct = sorter.finish().unwrap();
        assert_eq!(distinct.repeats, 4 * hashes.len() as u64);
        let found: Vec<_> = distinct.hashes.iter().map(Result::unwrap).collect();
        let expected: BTreeSet<_> = hashes.into_iter().collect();
        assert!(found.into_iter().eq(expected));
    }
}
