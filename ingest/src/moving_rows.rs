//! The rows that enter or leave the dataset by an operator's decision.

use std::{fs::File, io, slice, sync::Arc};

use anyhow::{Context as _, ensure};
use domain::{DatasetVersion, SampleHash, Sha256};
use storage::{
    StorageError,
    batch::{BatchWriter, Part},
    datasets::{CarriedOver, VersionStamp},
    decisions::OpenDecision,
};
use tokio::task::spawn_blocking;

use crate::{
    intake::{Intake, MOST_LOSSES},
    known::{Known, Run, Selection, computed_hashes, select, stored_hashes},
};

/// The rows that no file's batch has any more when a file is withdrawn.
struct RowsLeft {
    batches: Vec<File>,
    /// Whether batches of others have some of them nevertheless.
    overlap: bool,
}

impl Intake {
    /// Accepts a held or withdrawn file: its rows that are not in the dataset now make the next version.
    pub(crate) async fn accept_decided(&mut self, decision: &OpenDecision) -> anyhow::Result<bool> {
        self.backend.check_store().await?;
        let hashes = self.hashes_of_decided(decision).await?;
        let rows = self.rows_of_decided(decision, &hashes).await?;
        self.learn_newest().await?;
        for losses in 0.. {
            let mut new = self.store_new(&hashes, &rows).await?;
            let change = self.backend.database.begin_decided().await?;
            let newest = change.newest().map(|newest| newest.stamp);
            if newest != self.known.stamp() {
                // Another ingest was faster. The work is done while nobody waits, unless that happens again and again.
                if losses < MOST_LOSSES {
                    change.give_up().await?;
                    self.learn_newest().await?;
                    continue;
                }
                change.allow_long_work().await?;
                self.learn_up_to(newest).await?;
                new = self.store_new(&hashes, &rows).await?;
            }
            let rows_known = decision.file.rows.rows_accepted - new.rows;
            let batch = new.batch.sha256;
            return Ok(change.accept_decided(decision, rows_known, batch).await?);
        }
        Ok(false)
    }

    async fn hashes_of_decided(&self, decision: &OpenDecision) -> anyhow::Result<Arc<Run>> {
        let (backend, scratch) = (&self.backend, &self.rules.scratch);
        match decision.hashes {
            Some(hashes) => stored_hashes(backend, scratch, hashes).await,
            None => computed_hashes(backend, scratch, decision.file.sha256, decision.batch).await,
        }
    }

    /// A batch with all rows of the file. A withdrawn file's own has only those that it brought first; the last version
    /// with it has all.
    async fn rows_of_decided(&self, decision: &OpenDecision, hashes: &Arc<Run>) -> anyhow::Result<File> {
        let (database, store) = (&self.backend.database, &self.backend.store);
        let Some(last) = decision.file.last_version() else {
            return Ok(store.batch_file(decision.batch).await?);
        };
        let mut reader = database.read_dataset(store, last).await?;
        let mut writer = BatchWriter::new(tempfile::tempfile_in(&self.rules.scratch)?)?;
        while let Some(samples) = reader.next().await? {
            let mut own = hashes.lookup();
            let written = spawn_blocking(move || {
                let mut selected = Vec::new();
                for sample in samples {
                    if own.has(SampleHash::of(&sample))? {
                        selected.push(sample);
                    }
                }
                writer.write(&Part::of(&selected)?)?;
                Ok::<_, StorageError>(writer)
            });
            writer = written.await??;
        }
        Ok(writer.finish()?.file)
    }

    async fn batch_files(&self, batches: Vec<Sha256>) -> anyhow::Result<Vec<File>> {
        let mut files = Vec::new();
        for batch in batches {
            files.push(self.backend.store.batch_file(batch).await?);
        }
        Ok(files)
    }

    /// Selects and keeps those of a file's `rows` that are not in the dataset as it is known.
    async fn store_new(&self, hashes: &Arc<Run>, rows: &File) -> anyhow::Result<Selection> {
        let known = self.known.hashes();
        let expected = hashes.len() - known.count(hashes)?;
        let mut is_known = known.lookup();
        let is_new = move |hash| is_known(hash).map(|known| !known);
        let selection = self.select_rows(slice::from_ref(rows), is_new).await?;
        ensure!(
            selection.rows == expected,
            "only {} of its {expected} new rows are found in the object store",
            selection.rows
        );
        self.backend.store.put_batch_file(&selection.batch).await?;
        Ok(selection)
    }

    /// Withdraws a file: the next version is without it, and with the rows of its batch that others brought as well.
    pub(crate) async fn withdraw(&mut self, decision: &OpenDecision) -> anyhow::Result<bool> {
        self.backend.check_store().await?;
        let newest = self.backend.database.newest_stamp().await?;
        let newest = newest.context("there is no dataset to withdraw from")?;
        let file = decision.file.sha256;
        // This takes as long as the dataset is large: nobody waits for it.
        let (backend, scratch) = (self.backend.clone(), self.rules.scratch.clone());
        let mut others = Known::of_others(&backend, &scratch, newest, file).await?;
        let left = self.rows_left(file, newest.version).await?;
        for losses in 0.. {
            let mut carried_over = self.store_carried_over(&others, &left).await?;
            let mut rows = others.rows().await?;
            let change = self.backend.database.begin_decided().await?;
            let now = change.newest().map(|newest| newest.stamp);
            if others.stamp() != now {
                let is_last = losses >= MOST_LOSSES;
                if is_last {
                    change.allow_long_work().await?;
                }
                let only_added = is_last && self.follow(&mut others, now).await?;
                if !only_added {
                    change.give_up().await?;
                    // Another withdrawal was faster; the decision stays open and is looked at again.
                    if is_last || !self.follow_newest(&mut others).await? {
                        return Ok(false);
                    }
                    continue;
                }
                carried_over = self.store_carried_over(&others, &left).await?;
                rows = others.rows().await?;
            }
            return Ok(change.withdraw_decided(decision, rows, carried_over).await?);
        }
        Ok(false)
    }

    /// The rows that are left when a file leaves the dataset version: its batch, and what was carried over before.
    async fn rows_left(&self, file: Sha256, version: DatasetVersion) -> anyhow::Result<RowsLeft> {
        let database = &self.backend.database;
        let (own, before) = (
            database.stored_rows(file).await?,
            database.carried_over(version).await?,
        );
        let own = own.map(|rows| CarriedOver {
            batch: rows.batch,
            overlaps: rows.overlaps,
        });
        let batches: Vec<_> = own.into_iter().chain(before).collect();
        let digests = batches.iter().map(|batch| batch.batch).collect();
        Ok(RowsLeft {
            overlap: batches.iter().any(|batch| batch.overlaps),
            batches: self.batch_files(digests).await?,
        })
    }

    /// Whether files were only added since; then they are known as well.
    async fn follow(&self, others: &mut Known, to: Option<VersionStamp>) -> anyhow::Result<bool> {
        match to {
            Some(to) => others.catch_up_with_added(&self.backend, to).await,
            None => Ok(false),
        }
    }

    async fn follow_newest(&self, others: &mut Known) -> anyhow::Result<bool> {
        let newest = self.backend.database.newest_stamp().await?;
        self.follow(others, newest).await
    }

    /// Selects and keeps those of the rows `left` that the other files brought as well.
    async fn store_carried_over(
        &self,
        others: &Known,
        left: &RowsLeft,
    ) -> anyhow::Result<Option<CarriedOver>> {
        let selection = self.select_rows(&left.batches, others.hashes().lookup());
        let Selection { batch, rows } = selection.await?;
        if rows == 0 {
            return Ok(None);
        }
        self.backend.store.put_batch_file(&batch).await?;
        Ok(Some(CarriedOver {
            batch: batch.sha256,
            overlaps: left.overlap,
        }))
    }

    async fn select_rows(
        &self,
        batches: &[File],
        is_wanted: impl FnMut(SampleHash) -> io::Result<bool> + Send + 'static,
    ) -> anyhow::Result<Selection> {
        let scratch = self.rules.scratch.clone();
        let batches = batches
            .iter()
            .map(File::try_clone)
            .collect::<io::Result<Vec<_>>>()?;
        let selected = spawn_blocking(move || select(&scratch, &batches, is_wanted));
        Ok(selected.await??)
    }
}
