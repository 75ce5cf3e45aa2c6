//! Sorting more records than fit into memory, by their hashes: they are dealt into buckets by their first bits, and each bucket is
//! sorted by itself.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use crossbeam_channel::bounded;
use domain::SampleHash;

use super::run::{Run, RunWriter};

/// Records that are kept in memory: 16 MiB of hashes.
const IN_MEMORY: usize = 1 << 20;
/// So many that a bucket of a hundred million hashes fits into memory.
const BUCKETS: usize = 128;
/// Hashes that are remembered, so that a row that fills a file is not sorted over and over: all its hashes would
/// come into one bucket.
const RECENT: usize = 1 << 12;

/// Something that is sorted by its hash first.
pub(crate) trait Record: Copy + Ord + Send {
    /// How many bytes it takes in a bucket.
    const BYTES: usize;

    fn hash(self) -> SampleHash;

    fn write(self, into: &mut impl io::Write) -> io::Result<()>;

    /// From what [`Self::write`] wrote.
    fn read(bytes: &[u8]) -> Self;
}

impl Record for SampleHash {
    const BYTES: usize = SampleHash::BYTES;

    fn hash(self) -> SampleHash {
        self
    }

    fn write(self, into: &mut impl io::Write) -> io::Result<()> {
        into.write_all(&self.to_bytes())
    }

    fn read(bytes: &[u8]) -> Self {
        let mut hash = [0; SampleHash::BYTES];
        hash.copy_from_slice(bytes);
        Self::from_bytes(hash)
    }
}

/// Sorts records; of those with one hash only the first in their order is left.
pub(crate) struct Sorter<R> {
    scratch: PathBuf,
    recent: Vec<Option<SampleHash>>,
    waiting: Vec<R>,
    buckets: Vec<BufWriter<File>>,
    count: u64,
}

/// The distinct hashes of what was sorted.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    pub(crate) hashes: Arc<Run>,
    /// How many hashes were the same as one before.
    pub(crate) repeats: u64,
}

impl<R: Record> Sorter<R> {
    /// Uses unnamed files in the folder `scratch`.
    pub(crate) fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_owned(),
            recent: vec![None; RECENT],
            waiting: Vec::new(),
            buckets: Vec::new(),
            count: 0,
        }
    }

    /// Adds records, in their order where their hashes are the same.
    pub(crate) fn add(&mut self, records: &[R]) -> io::Result<()> {
        self.count += records.len() as u64;
        for record in records {
            let hash = record.hash();
            let bytes = hash.to_bytes();
            let place = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
            let recent = &mut self.recent[place % RECENT];
            if *recent != Some(hash) {
                *recent = Some(hash);
                self.waiting.push(*record);
            }
        }
        if self.waiting.len() >= IN_MEMORY {
            self.deal()?;
        }
        Ok(())
    }

    /// Hands out the records in order, the first of each hash.
    pub(crate) fn drain(mut self, mut each: impl FnMut(R) -> io::Result<()>) -> io::Result<()> {
        if self.buckets.is_empty() {
            return sort_distinct(self.waiting).into_iter().try_for_each(each);
        }
        self.deal()?;
        drain_buckets(self.buckets, &mut each)
    }

    /// Moves what waits into the buckets.
    fn deal(&mut self) -> io::Result<()> {
        if self.buckets.is_empty() {
            let bucket = |_| tempfile::tempfile_in(&self.scratch).map(BufWriter::new);
            self.buckets = (0..BUCKETS).map(bucket).collect::<Result<_, _>>()?;
        }
        for record in self.waiting.drain(..) {
            let first = record.hash().to_bytes()[0];
            record.write(&mut self.buckets[usize::from(first) * BUCKETS / 256])?;
        }
        Ok(())
    }
}

impl Sorter<SampleHash> {
    pub(crate) fn finish(self) -> io::Result<Distinct> {
        let mut run = RunWriter::new(tempfile::tempfile_in(&self.scratch)?)?;
        let count = self.count;
        self.drain(|hash| run.push(hash))?;
        let hashes = run.finish()?;
        Ok(Distinct {
            repeats: count - hashes.len(),
            hashes: Arc::new(hashes),
        })
    }
}

/// One thread reads and sorts the next bucket while this one hands out the last.
fn drain_buckets<R: Record>(
    buckets: Vec<BufWriter<File>>,
    each: &mut impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    let (sender, sorted) = bounded(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for bucket in buckets {
                let records = bucket.into_inner().map_err(Into::into).and_then(read);
                let records: io::Result<Vec<R>> = records.map(sort_distinct);
                if sender.send(records).is_err() {
                    break;
                }
            }
        });
        for records in sorted {
            records?.into_iter().try_for_each(&mut *each)?;
        }
        Ok(())
    })
}

fn sort_distinct<R: Record>(mut records: Vec<R>) -> Vec<R> {
    records.sort_unstable();
    records.dedup_by_key(|record| record.hash());
    records
}

fn read<R: Record>(mut bucket: File) -> io::Result<Vec<R>> {
    bucket.rewind()?;
    let mut bytes = Vec::new();
    bucket.read_to_end(&mut bytes)?;
    Ok(bytes.chunks_exact(R::BYTES).map(R::read).collect())
}

/// One run of the hashes of both, each once.
pub(crate) fn merge(scratch: &Path, one: &Run, other: &Run) -> io::Result<Run> {
    let mut merged = RunWriter::new(tempfile::tempfile_in(scratch)?)?;
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

    fn run(folder: &Path, numbers: &[u64]) -> Arc<Run> {
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
            let merged = Arc::new(merged);
            let expected: BTreeSet<_> = one.iter().chain(&other).map(|number| hash(*number)).collect();
            let found: Vec<_> = merged.iter().map(Result::unwrap).collect();
            prop_assert_eq!(&found, &expected.iter().copied().collect::<Vec<_>>());
            // As from the object store.
            let merged = Arc::new(Run::open(merged.written().unwrap().file).unwrap());
            prop_assert!(merged.iter().map(Result::unwrap).eq(expected.iter().copied()));
            let mut lookup = merged.lookup();
            for number in 0..4000 {
                prop_assert_eq!(lookup.has(hash(number)).unwrap(), expected.contains(&hash(number)));
            }
        }
    }

    /// F3: a row that fills a file takes no memory.
    #[test]
    fn rows_that_repeat_all_the_time_are_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path());
        let hashes: Vec<_> = (0..1000).map(|number| hash(number % 10)).collect();
        for _ in 0..2000 {
            sorter.add(&hashes).unwrap();
        }
        assert!(sorter.buckets.is_empty() && sorter.waiting.len() == 10);
        let distinct = sorter.finish().unwrap();
        assert_eq!((distinct.hashes.len(), distinct.repeats), (10, 1_999_990));
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
