//! Sorting more hashes than fit into memory.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    path::{Path, PathBuf},
};

use domain::SampleHash;

use super::run::{Run, RunWriter};

/// Hashes sorted in memory at once: 16 MiB of them.
const IN_MEMORY: usize = 1 << 20;

/// Sorts hashes, and finds those that repeat.
pub(crate) struct Sorter {
    scratch: PathBuf,
    waiting: Vec<SampleHash>,
    runs: Vec<Run>,
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
            runs: Vec::new(),
            count: 0,
        }
    }

    pub(crate) fn add(&mut self, hashes: &[SampleHash]) -> io::Result<()> {
        self.count += hashes.len() as u64;
        self.waiting.extend_from_slice(hashes);
        if self.waiting.len() >= IN_MEMORY {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<Distinct> {
        self.flush()?;
        let hashes = merge(&self.scratch, self.runs)?;
        Ok(Distinct {
            repeats: self.count - hashes.len(),
            hashes,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.waiting.sort_unstable();
        self.waiting.dedup();
        let mut run = RunWriter::new(tempfile::tempfile_in(&self.scratch)?);
        self.waiting.drain(..).try_for_each(|hash| run.push(hash))?;
        self.runs.push(run.finish()?);
        Ok(())
    }
}

/// One run of the hashes of all, each once.
pub(crate) fn merge(scratch: &Path, mut runs: Vec<Run>) -> io::Result<Run> {
    if runs.len() == 1 {
        return runs.pop().ok_or_else(|| io::Error::other("no run"));
    }
    let mut merged = RunWriter::new(tempfile::tempfile_in(scratch)?);
    let mut sources: Vec<_> = runs.iter().map(Run::iter).collect();
    let mut heads = BinaryHeap::new();
    for (source, hashes) in sources.iter_mut().enumerate() {
        heads.extend(hashes.next().transpose()?.map(|hash| Reverse((hash, source))));
    }
    let mut last = None;
    while let Some(Reverse((hash, source))) = heads.pop() {
        heads.extend(
            sources[source]
                .next()
                .transpose()?
                .map(|next| Reverse((next, source))),
        );
        if last.replace(hash) != Some(hash) {
            merged.push(hash)?;
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

    proptest! {
        #[test]
        fn runs_merge_into_the_set_of_their_hashes(parts in proptest::collection::vec(proptest::collection::vec(0_u64..2000, 0..1500), 1..5)) {
            let folder = tempfile::tempdir().unwrap();
            let runs: Vec<_> = parts.iter().map(|part| {
                let mut sorter = Sorter::new(folder.path());
                sorter.add(&part.iter().map(|number| hash(*number)).collect::<Vec<_>>()).unwrap();
                sorter.finish().unwrap().hashes
            }).collect();
            let merged = merge(folder.path(), runs).unwrap();
            let expected: BTreeSet<_> = parts.concat().into_iter().map(hash).collect();
            let found: Vec<_> = merged.iter().map(Result::unwrap).collect();
            prop_assert_eq!(&found, &expected.iter().copied().collect::<Vec<_>>());
            let mut lookup = merged.lookup();
            for number in 0..2000 {
                prop_assert_eq!(lookup.has(hash(number)).unwrap(), expected.contains(&hash(number)));
            }
        }
    }

    #[test]
    fn more_hashes_than_fit_into_memory_are_counted_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path());
        let hashes: Vec<_> = (0..IN_MEMORY as u64 / 2 + 100).map(hash).collect();
        for _ in 0..5 {
            sorter.add(&hashes).unwrap();
        }
        let distinct = sorter.finish().unwrap();
        assert_eq!(distinct.hashes.len(), hashes.len() as u64);
        assert_eq!(distinct.repeats, 4 * hashes.len() as u64);
    }
}
