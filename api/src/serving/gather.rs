//! Gathering a dataset version's samples: for the index, and for the file from which it is built at a start
//! without servers. They pass in parts; only the index and the hashes of what was seen stay in memory.

use std::{collections::HashSet, fs::File, io};

use anyhow::Context as _;
use backend::Backend;
use domain::{DatasetVersion, Sample, SampleHash, Sha256};
use storage::{
    Database, StorageError,
    batch::{BatchReader, BatchWriter, Part, Written},
    store::Store,
};
use tracing::warn;

use super::kept::Kept;
use crate::{
    neighbours::{Builder, Neighbours},
    problem::Problem,
    service::App,
    work::aside,
};

/// The samples of a dataset version, indexed, and kept in the folder if it takes them.
pub(super) async fn neighbours(
    backend: &Backend,
    version: DatasetVersion,
    kept: &Kept,
) -> anyhow::Result<Neighbours> {
    let (database, store) = (&backend.database, &backend.store);
    let folder = kept.folder().context("there is no room for the samples")?;
    let (batches, overlap) = database.copy_dataset(store, version, folder).await?;
    let kept = kept.clone();
    aside(move || build(batches, overlap, version, &kept)).await?
}

/// The samples of a dataset version, indexed; for a command, which keeps nothing.
pub(crate) async fn index_of(
    database: &Database,
    store: &Store,
    version: DatasetVersion,
) -> anyhow::Result<Neighbours> {
    let mut samples = database.read_dataset(store, version).await?;
    let mut index = Builder::default();
    while let Some(samples) = samples.next().await? {
        index.add(&samples);
    }
    Ok(index.build())
}

fn build(
    batches: Vec<File>,
    overlap: bool,
    version: DatasetVersion,
    kept: &Kept,
) -> anyhow::Result<Neighbours> {
    let mut index = Builder::default();
    let mut copy = Copy::begin(kept);
    each_part(batches, overlap, |samples| {
        index.add(samples);
        copy.add(samples);
    })?;
    copy.keep(version, kept);
    Ok(index.build())
}

/// The samples' way to the disk; that it is full must not keep a model from serving.
struct Copy(Result<BatchWriter, StorageError>);

impl Copy {
    fn begin(kept: &Kept) -> Self {
        Self(
            kept.scratch()
                .map_err(StorageError::from)
                .and_then(BatchWriter::new),
        )
    }

    fn add(&mut self, samples: &[Sample]) {
        let Ok(writer) = &mut self.0 else { return };
        let written = Part::of(samples).and_then(|part| writer.write(&part));
        if let Err(error) = written {
            self.0 = Err(error);
        }
    }

    fn keep(self, version: DatasetVersion, kept: &Kept) {
        let written = self.0.and_then(BatchWriter::finish);
        let done = written.and_then(|written| Ok(kept.keep_samples(version, written)?));
        if let Err(error) = done {
            let error = format!("{:#}", anyhow::Error::new(error));
            warn!(error, "the samples cannot be kept on disk");
        }
    }
}

/// Hands out the samples of all batches in order, identical ones once; there are such only where batches `overlap`.
fn each_part(batches: Vec<File>, overlap: bool, mut take: impl FnMut(&[Sample])) -> Result<(), StorageError> {
    let mut seen = HashSet::new();
    for batch in batches {
        let mut batch = BatchReader::new(batch)?;
        while let Some(mut samples) = batch.read()? {
            samples.retain(|sample| !overlap || seen.insert(SampleHash::of(sample)));
            take(&samples);
        }
    }
    Ok(())
}

/// A dataset version's samples as one Parquet file.
pub(crate) struct Exported {
    pub(crate) file: File,
    pub(crate) sha256: Sha256,
    pub(crate) bytes: u64,
}

/// Writes a dataset version's samples into one Parquet file, off the threads that answer requests.
pub(crate) async fn export(app: &App, version: DatasetVersion) -> Result<Exported, Problem> {
    let folder = app.serving.kept.folder().map_err(StorageError::from)?;
    let copied = app.registry()?.copy_dataset(&app.backend.store, version, folder);
    let (batches, overlap) = copied.await.map_err(|error| match error {
        StorageError::MissingObject(_) => Problem::conflict("some of its rows are no longer kept"),
        error => error.into(),
    })?;
    let scratch = app.serving.kept.scratch().map_err(StorageError::from)?;
    Ok(app
        .pool
        .run(move || exported(batches, overlap, scratch))
        .await??)
}

fn exported(batches: Vec<File>, overlap: bool, into: File) -> Result<Exported, StorageError> {
    let mut writer = BatchWriter::new(into)?;
    let mut written = Ok(());
    each_part(batches, overlap, |samples| {
        let part = Part::of(samples);
        if written.is_ok() {
            written = part.and_then(|part| writer.write(&part));
        }
    })?;
    written?;
    let Written { file, sha256 } = writer.finish()?;
    let bytes = file.metadata()?.len();
    Ok(Exported { file, sha256, bytes })
}

/// The index of samples that were kept.
pub(super) fn index(file: File) -> io::Result<Neighbours> {
    let mut index = Builder::default();
    let mut batch = BatchReader::new(file).map_err(io::Error::other)?;
    while let Some(samples) = batch.read().map_err(io::Error::other)? {
        index.add(&samples);
    }
    Ok(index.build())
}
