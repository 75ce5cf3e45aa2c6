//! Taking one file: read, judge, keep, commit, put away.

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use ::service::{clock::Clock, config::Ingest};
use anyhow::Context as _;
use backend::Backend;
use domain::{
    Sha256,
    file::{DataFile, FileStatus},
};
use storage::{batch, intake::Acceptance};
use tracing::info;

use crate::{archive, known::Known, reading::Reading};

/// A larger file is rejected: files are read into memory.
const LARGEST: u64 = 1 << 30;

/// Takes files; one at a time.
pub(crate) struct Intake {
    backend: Backend,
    known: Known,
    max_rejected_share: f64,
    clock: Clock,
}

/// What became of a file.
pub(crate) enum Taken {
    /// It was judged and put away, or is somebody else's by now.
    Done,
    /// It changed while it was read: wait until it is still again.
    Changed,
}

/// A file at one moment.
#[derive(PartialEq)]
struct Snapshot {
    size: u64,
    modified: Option<SystemTime>,
    sha256: Sha256,
}

impl Intake {
    pub(crate) fn new(backend: Backend, settings: &Ingest, clock: Clock) -> Self {
        let max_rejected_share = settings.max_rejected_share;
        Self {
            backend,
            known: Known::default(),
            max_rejected_share,
            clock,
        }
    }

    /// Takes the file at `path`; on an error nothing happened, or all of it, and it can be taken again.
    pub(crate) async fn take(&mut self, path: &Path) -> anyhow::Result<Taken> {
        let received_at = self.clock.now();
        let share = self.max_rejected_share;
        let Some((snapshot, reading)) = blocking(path, move |path| read(path, share)).await? else {
            return Ok(Taken::Done);
        };
        if let Some(file) = self.accepted_before(snapshot.sha256).await? {
            return put_away(path, file, Reading::default()).await;
        }
        let mut file = judged(path, &snapshot, &reading, received_at);
        if reading.rejection.is_some() {
            file.finished_at = self.clock.now();
            self.backend.database.record_rejection(&file).await?;
            self.backend.relay_now();
            return put_away(path, file, reading).await;
        }
        self.accept(path, &snapshot, file, reading).await
    }

    async fn accepted_before(&self, sha256: Sha256) -> anyhow::Result<Option<DataFile>> {
        let file = self.backend.database.data_file(sha256).await?;
        Ok(file.filter(|file| file.status == FileStatus::Accepted))
    }

    async fn accept(
        &mut self,
        path: &Path,
        snapshot: &Snapshot,
        mut file: DataFile,
        reading: Reading,
    ) -> anyhow::Result<Taken> {
        let batch = self
            .backend
            .store
            .put_batch(batch::write(&reading.samples)?)
            .await?;
        // Most of what others added is learned before the lock is taken.
        if let Some(newest) = self.backend.database.newest_dataset().await? {
            self.known.catch_up(&self.backend, newest).await?;
        }
        let acceptance = match self.backend.database.begin_acceptance(file.sha256).await? {
            Acceptance::Known(file) => return put_away(path, *file, Reading::default()).await,
            Acceptance::Open(acceptance) => acceptance,
        };
        if let Some(newest) = acceptance.newest() {
            self.known.catch_up(&self.backend, newest.version).await?;
        }
        let now = blocking(path, look).await?.map(|(snapshot, _)| snapshot);
        if now.as_ref() != Some(snapshot) {
            acceptance.give_up().await?;
            return Ok(Taken::Changed);
        }
        file.rows.rows_known = self.known.count(&reading.samples);
        file.dataset_version = Some(acceptance.next_version());
        file.finished_at = self.clock.now();
        acceptance.commit(&file, batch).await?;
        self.backend.relay_now();
        put_away(path, file, reading).await
    }
}

fn judged(
    path: &Path,
    snapshot: &Snapshot,
    reading: &Reading,
    at: chrono::DateTime<chrono::Utc>,
) -> DataFile {
    let status = if reading.rejection.is_some() {
        FileStatus::Rejected
    } else {
        FileStatus::Accepted
    };
    DataFile {
        sha256: snapshot.sha256,
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        bytes: snapshot.size,
        status,
        rejection: reading.rejection.clone(),
        rows: reading.counts(),
        reasons: reading.reasons(),
        ignored_columns: reading.ignored_columns.clone(),
        dataset_version: None,
        received_at: at,
        finished_at: at,
    }
}

async fn put_away(path: &Path, file: DataFile, reading: Reading) -> anyhow::Result<Taken> {
    info!(
        file.name, file.sha256 = %file.sha256, status = %file.status, rejection = file.rejection,
        rows = file.rows.rows_read, known = file.rows.rows_known, rejected = file.rows.rows_rejected,
        dataset.version = file.dataset_version.map(|version| version.get()), "judged a data file"
    );
    metrics::counter!("lapidary_files_total", "status" => file.status.name()).increment(1);
    let stored = blocking(path, move |path| archive::store(path, &file, &reading.rejected)).await;
    stored.context("the file is judged, and cannot be moved")?;
    Ok(Taken::Done)
}

/// The file's state and bytes; none when it is gone.
fn look(path: &Path) -> io::Result<Option<(Snapshot, Vec<u8>)>> {
    let meta = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        meta => meta?,
    };
    let bytes = if meta.len() > LARGEST {
        Vec::new()
    } else {
        std::fs::read(path)?
    };
    let snapshot = Snapshot {
        size: meta.len(),
        modified: meta.modified().ok(),
        sha256: Sha256::of(&bytes),
    };
    Ok(Some((snapshot, bytes)))
}

fn read(path: &Path, share: f64) -> io::Result<Option<(Snapshot, Reading)>> {
    let Some((snapshot, bytes)) = look(path)? else {
        return Ok(None);
    };
    if snapshot.size > LARGEST {
        let rejection = Some("the file is larger than 1 GiB; split it".to_owned());
        return Ok(Some((
            snapshot,
            Reading {
                rejection,
                ..Reading::default()
            },
        )));
    }
    let reading = Reading::of(&bytes, share);
    Ok(Some((snapshot, reading)))
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let path: PathBuf = path.to_owned();
    Ok(tokio::task::spawn_blocking(move || work(&path)).await??)
}
