//! The memory that the runs of one trainer share.

mod available;

use std::sync::Arc;

use domain::ModelKind;
use model::learn::memory;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::info;

/// The share of the available memory that is taken where no limit is set.
const SHARE: f64 = 0.6;
/// Memory is shared in pieces of this many bytes.
const PIECE: u64 = 1 << 20;

/// What runs together may take; cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    limit: u64,
    pieces: Arc<Semaphore>,
}

/// A run's memory, which others have again once this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    /// On how many threads the run fits.
    pub(crate) threads: usize,
    _pieces: OwnedSemaphorePermit,
}

/// A run that takes more than all runs together may.
#[derive(Debug, thiserror::Error)]
#[error(
    "training {kind} on {rows} samples needs about {} of memory, and this trainer may use {}: raise \
     trainer.max_memory_bytes, or run the trainer where there is more memory",
    size(*needed), size(*limit)
)]
pub(crate) struct TooLarge {
    kind: ModelKind,
    rows: u64,
    needed: u64,
    limit: u64,
}

impl Memory {
    /// As it is set, in bytes; 0 for a share of what the machine allows.
    pub(crate) fn new(setting: u64) -> Self {
        let limit = match setting {
            0 => (available::bytes() as f64 * SHARE) as u64,
            bytes => bytes,
        };
        info!(limit_bytes = limit, "runs may take {}", size(limit));
        let pieces = usize::try_from(limit / PIECE).unwrap_or(usize::MAX);
        Self {
            limit,
            pieces: Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Waits until a run fits beside those under way; they are let in in the order in which they came.
    ///
    /// # Errors
    ///
    /// When it would not fit even alone.
    pub(crate) async fn reserve(
        &self,
        kind: ModelKind,
        rows: u64,
        threads: usize,
    ) -> Result<Reserved, TooLarge> {
        let too_large = || TooLarge {
            kind,
            rows,
            needed: memory::estimate(kind, rows, 1),
            limit: self.limit,
        };
        let threads = memory::threads_within(self.limit, kind, rows, threads).ok_or_else(too_large)?;
        let pieces = memory::estimate(kind, rows, threads) / PIECE;
        let pieces = u32::try_from(pieces).map_err(|_| too_large())?;
        if self.pieces.available_permits() < pieces as usize {
            info!(%kind, rows, "the run waits until there is memory for it");
        }
        let taken = Arc::clone(&self.pieces).acquire_many_owned(pieces).await;
        // It is never closed.
        let pieces = taken.map_err(|_| too_large())?;
        Ok(Reserved {
            threads,
            _pieces: pieces,
        })
    }
}

/// In words, such as `9.1 GB`.
fn size(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 1e3 {
        format!("{megabytes:.0} MB")
    } else {
        format!("{:.1} GB", megabytes / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{pin::pin, task::Poll};

    const KIND: ModelKind = ModelKind::Xgboost;
    const ROWS: u64 = 400_000;

    fn needed(threads: usize) -> u64 {
        memory::estimate(KIND, ROWS, threads)
    }

    /// W9: what never fits is told in words, at once.
    #[tokio::test]
    async fn a_run_that_never_fits_is_refused_in_words() {
        let memory = Memory::new(400_000_000);
        let refused = memory
            .reserve(ModelKind::Linear, 30_000_000, 2)
            .await
            .unwrap_err();
        let words = refused.to_string();
        assert!(
            words.starts_with("training linear on 30000000 samples needs about ")
                && words.contains(
                    " GB of memory, and this trainer may use 400 MB: raise trainer.max_memory_bytes"
                ),
            "{words}"
        );
    }

    #[tokio::test]
    async fn a_run_gets_as_many_threads_as_fit() {
        let threads = async |limit| {
            Memory::new(limit)
                .reserve(KIND, ROWS, 4)
                .await
                .map(|it| it.threads)
        };
        assert_eq!(threads(needed(4)).await.unwrap(), 4);
        assert_eq!(threads(needed(3) + 1).await.unwrap(), 3);
        assert!(threads(needed(1) - 1).await.is_err());
    }

    /// W10: runs that do not fit beside each other follow each other.
    #[tokio::test]
    async fn runs_that_do_not_fit_together_wait_for_each_other() {
        let memory = Memory::new(needed(2) + needed(1) - 2 * PIECE);
        let first = memory.reserve(KIND, ROWS, 2).await.unwrap();
        let mut second = pin!(memory.reserve(KIND, ROWS, 1));
        assert!(matches!(poll_once(second.as_mut()).await, Poll::Pending));
        drop(first);
        assert_eq!(second.await.unwrap().threads, 1);
    }

    /// Polls once.
    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    #[test]
    fn without_a_limit_a_share_of_the_machine_is_taken() {
        let memory = Memory::new(0);
        assert!(memory.limit > 0 && memory.limit <= available::bytes().max(memory.limit));
    }
}
