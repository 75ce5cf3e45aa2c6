//! Batches of any size, written and read a part at a time.

use std::{
    fs::File,
    io::{self, BufWriter, Seek as _, Write},
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Sample, Sha256};
use polars::{io::parquet::write::BatchedWriter, prelude::*};
use sha2::Digest as _;

use super::{bad, frame, samples_of};
use crate::StorageError;

/// Rows of one row group; memory is bounded by it.
const GROUP: usize = 1 << 17;

/// A batch that was written to a local file.
#[derive(Debug)]
pub struct Written {
    /// The file, at its beginning.
    pub file: File,
    /// The digest of its content.
    pub sha256: Sha256,
}

/// Samples in the form in which a batch holds them; made on any thread.
#[derive(Debug, Clone)]
pub struct Part(DataFrame);

impl Part {
    /// Of these samples, in their order.
    ///
    /// # Errors
    ///
    /// [`StorageError::BadBatch`] when polars refuses.
    pub fn of(samples: &[Sample]) -> Result<Self, StorageError> {
        frame(samples).map(Self).map_err(bad)
    }
}

/// Writes a batch into a local file. Its bytes follow from the samples, whatever the parts they come in.
pub struct BatchWriter {
    parquet: BatchedWriter<BufWriter<Hashing>>,
    sink: Hashing,
    waiting: DataFrame,
}

impl BatchWriter {
    /// Begins a batch in an empty file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn new(file: File) -> Result<Self, StorageError> {
        let sink = Hashing(Arc::new(Mutex::new((file, sha2::Sha256::new()))));
        let Part(waiting) = Part::of(&[])?;
        let parquet = ParquetWriter::new(BufWriter::with_capacity(1 << 20, sink.clone()))
            .with_compression(ParquetCompression::Snappy)
            .with_statistics(StatisticsOptions::empty())
            .batched(waiting.schema())
            .map_err(written)?;
        Ok(Self {
            parquet,
            sink,
            waiting,
        })
    }

    /// Adds samples.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&mut self, part: &Part) -> Result<(), StorageError> {
        self.waiting.vstack_mut(&part.0).map_err(bad)?;
        while self.waiting.height() >= GROUP {
            self.flush(GROUP)?;
        }
        Ok(())
    }

    /// Completes the batch.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<Written, StorageError> {
        if self.waiting.height() > 0 {
            self.flush(GROUP)?;
        }
        self.parquet.finish().map_err(written)?;
        let Self { parquet, sink, .. } = self;
        drop(parquet);
        let (mut file, hasher) = sink.into_inner()?;
        file.rewind()?;
        Ok(Written {
            file,
            sha256: Sha256::finish(hasher),
        })
    }

    /// Writes the first rows as one row group.
    fn flush(&mut self, rows: usize) -> Result<(), StorageError> {
        let mut group = self.waiting.slice(0, rows);
        group.rechunk_mut_par();
        self.parquet.write_batch(&group).map_err(written)?;
        self.waiting = self.waiting.slice(rows as i64, usize::MAX);
        Ok(())
    }
}

/// A full disk is not a bad batch: it can be waited for.
fn written(error: PolarsError) -> StorageError {
    match error {
        PolarsError::IO { error, .. } => StorageError::Io(io::Error::new(error.kind(), error.to_string())),
        error => bad(error),
    }
}

/// Reads a batch from a local file.
pub struct BatchReader {
    file: File,
    rows: usize,
    next: usize,
}

impl BatchReader {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// [`StorageError::BadBatch`] when it is no Parquet.
    pub fn new(file: File) -> Result<Self, StorageError> {
        let rows = ParquetReader::new(file.try_clone()?).num_rows().map_err(bad)?;
        Ok(Self { file, rows, next: 0 })
    }

    /// The next samples, none at the end.
    ///
    /// # Errors
    ///
    /// [`StorageError::BadBatch`] when a column is missing, or a value breaks the rules for rows.
    pub fn read(&mut self) -> Result<Option<Vec<Sample>>, StorageError> {
        if self.next >= self.rows {
            return Ok(None);
        }
        let part = ParquetReader::new(self.file.try_clone()?)
            .with_slice(Some((self.next, GROUP)))
            .finish()
            .map_err(bad)?;
        self.next += GROUP;
        samples_of(&part).map(Some)
    }
}

/// A file whose bytes are hashed on their way.
#[derive(Clone)]
struct Hashing(Arc<Mutex<(File, sha2::Sha256)>>);

impl Hashing {
    fn into_inner(self) -> io::Result<(File, sha2::Sha256)> {
        let shared = Arc::into_inner(self.0).ok_or_else(|| io::Error::other("the batch is still written"))?;
        Ok(shared.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (file, hasher) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write(bytes)?;
        hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::row::{RawRow, judge};

    fn sample(row: usize) -> Sample {
        let carat = (1 + row % 500).to_string();
        let price = (300 + row).to_string();
        judge(&RawRow([
            &carat, "Ideal", "H", "SI2", "62.0", "55.0", &price, "6.61", "6.65", "4.11",
        ]))
        .unwrap()
    }

    #[test]
    fn a_batch_of_several_row_groups_comes_back_as_it_was_whatever_parts_it_came_in() {
        let samples: Vec<_> = (0..GROUP * 2 + 7).map(sample).collect();
        let write = |rows| {
            let mut writer = BatchWriter::new(tempfile::tempfile().unwrap()).unwrap();
            for some in samples.chunks(rows) {
                writer.write(&Part::of(some).unwrap()).unwrap();
            }
            writer.finish().unwrap()
        };
        let written = write(1000);
        assert_eq!(write(GROUP * 2).sha256, written.sha256);

        let mut reader = BatchReader::new(written.file).unwrap();
        let mut back = Vec::new();
        while let Some(some) = reader.read().unwrap() {
            assert!(some.len() <= GROUP);
            back.extend(some);
        }
        assert!(back == samples, "{} samples", back.len());
    }

    #[test]
    fn the_digest_is_that_of_the_file() {
        let mut writer = BatchWriter::new(tempfile::tempfile().unwrap()).unwrap();
        writer.write(&Part::of(&[sample(1)]).unwrap()).unwrap();
        let mut written = writer.finish().unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut written.file, &mut bytes).unwrap();
        assert_eq!(Sha256::of(&bytes), written.sha256);
        assert_eq!(super::super::read(bytes).unwrap(), [sample(1)]);
    }
}
