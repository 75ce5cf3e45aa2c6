//! Copying some of the rows of batches into one batch, in bounded memory.

use std::{fs::File, io, path::Path};

use domain::SampleHash;
use storage::{
    StorageError,
    batch::{BatchReader, BatchWriter, Part, Written},
};

use super::sorter::{Record, Sorter};

/// A batch of selected rows.
pub(crate) struct Selection {
    pub(crate) batch: Written,
    pub(crate) rows: u64,
}

/// Where a row stands in the batches, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Located {
    hash: SampleHash,
    row: u64,
}

impl Record for Located {
    const BYTES: usize = SampleHash::BYTES + 8;

    fn hash(self) -> SampleHash {
        self.hash
    }

    fn write(self, into: &mut impl io::Write) -> io::Result<()> {
        into.write_all(&self.hash.to_bytes())?;
        into.write_all(&self.row.to_be_bytes())
    }

    fn read(bytes: &[u8]) -> Self {
        let (hash, place) = bytes.split_at(SampleHash::BYTES);
        let row = place.iter().fold(0, |row, byte| row << 8 | u64::from(*byte));
        Self {
            hash: SampleHash::read(hash),
            row,
        }
    }
}

/// Copies those rows of `batches` whose hashes are wanted, each once, at its first place. `is_wanted` is asked for each
/// hash once, in ascending order.
pub(crate) fn select(
    scratch: &Path,
    batches: &[File],
    is_wanted: impl FnMut(SampleHash) -> io::Result<bool>,
) -> Result<Selection, StorageError> {
    let wanted = wanted_rows(scratch, batches, is_wanted)?;
    let mut writer = BatchWriter::new(tempfile::tempfile_in(scratch)?)?;
    let (mut first, mut rows) = (0, 0);
    for batch in batches {
        let mut reader = BatchReader::new(batch.try_clone()?)?;
        while let Some(mut samples) = reader.read()? {
            let next = first + samples.len();
            let mut row = first..next;
            samples.retain(|_| row.next().is_some_and(|row| wanted[row]));
            first = next;
            rows += samples.len() as u64;
            if !samples.is_empty() {
                writer.write(&Part::of(&samples)?)?;
            }
        }
    }
    Ok(Selection {
        batch: writer.finish()?,
        rows,
    })
}

/// Which rows are wanted: a byte for each.
fn wanted_rows(
    scratch: &Path,
    batches: &[File],
    mut is_wanted: impl FnMut(SampleHash) -> io::Result<bool>,
) -> Result<Vec<bool>, StorageError> {
    let mut sorter = Sorter::new(scratch);
    let mut rows = 0;
    for batch in batches {
        let mut reader = BatchReader::new(batch.try_clone()?)?;
        while let Some(samples) = reader.read()? {
            let located = (rows..).zip(&samples).map(|(row, sample)| Located {
                hash: SampleHash::of(sample),
                row,
            });
            sorter.add(&located.collect::<Vec<_>>())?;
            rows += samples.len() as u64;
        }
    }
    let mut wanted = vec![false; rows as usize];
    sorter.drain(|located: Located| {
        wanted[located.row as usize] = is_wanted(located.hash)?;
        Ok(())
    })?;
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use domain::{
        Sample,
        row::{RawRow, judge},
    };
    use proptest::prelude::*;

    use super::*;

    fn sample(price: u32) -> Sample {
        let price = (300 + price).to_string();
        judge(&RawRow([
            "1.1", "Ideal", "H", "SI2", "62.0", "55.0", &price, "6.61", "6.65", "4.11",
        ]))
        .unwrap()
    }

    fn batch(prices: &[u32]) -> File {
        let mut writer = BatchWriter::new(tempfile::tempfile().unwrap()).unwrap();
        let samples: Vec<_> = prices.iter().copied().map(sample).collect();
        writer.write(&Part::of(&samples).unwrap()).unwrap();
        writer.finish().unwrap().file
    }

    fn rows(batch: File) -> Vec<Sample> {
        let mut reader = BatchReader::new(batch).unwrap();
        let mut rows = Vec::new();
        while let Some(some) = reader.read().unwrap() {
            rows.extend(some);
        }
        rows
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// F3: rows that are known, or stand in the file already, are left out; the others keep their order.
        #[test]
        fn wanted_rows_are_copied_once_and_in_order(
            one in proptest::collection::vec(0_u32..60, 0..80),
            other in proptest::collection::vec(0_u32..60, 0..80),
            unwanted in proptest::collection::hash_set(0_u32..60, 0..40),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let unwanted: std::collections::HashSet<_> =
                unwanted.into_iter().map(|price| SampleHash::of(&sample(price))).collect();
            let selection = select(folder.path(), &[batch(&one), batch(&other)], |hash| {
                Ok(!unwanted.contains(&hash))
            })
            .unwrap();
            let mut seen = unwanted;
            let expected: Vec<_> = one
                .iter()
                .chain(&other)
                .map(|price| sample(*price))
                .filter(|sample| seen.insert(SampleHash::of(sample)))
                .collect();
            prop_assert_eq!(selection.rows, expected.len() as u64);
            prop_assert_eq!(rows(selection.batch.file), expected);
        }
    }
}
