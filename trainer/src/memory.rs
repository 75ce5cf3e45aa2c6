//! The memory that the runs of one trainer share.

mod available;

use std::{sync::Arc, time::Duration};

use domain::ModelKind;
use model::learn::memory;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::info;

/// The share of the memory that is taken where no limit is set.
const SHARE: f64 = 0.6;
/// How often it is looked whether other programs have freed memory.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Memory is shared in pieces of this many bytes.
const PIECE: u64 = 1 << 20;

/// What runs together may take; cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    limit: u64,
    /// What there is now, in bytes, where no limit is set: other programs may have taken some.
    measure: Option<fn() -> u64>,
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
        match setting {
            0 => Self::limited(share(available::in_all()), Some(available::now)),
            bytes => Self::limited(bytes, None),
        }
    }

    fn limited(limit: u64, measure: Option<fn() -> u64>) -> Self {
        info!(limit_bytes = limit, "runs may take {}", size(limit));
        let pieces = usize::try_from(limit / PIECE).unwrap_or(usize::MAX);
        Self {
            limit,
            measure,
            pieces: Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Waits until a run fits beside those under way, which are let in in the order in which they came; and, where no
    /// limit is set, beside other programs.
    ///
    /// # Errors
    ///
    /// When it would not fit even alone, on a machine on which nothing else runs.
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
        let most = memory::threads_within(self.limit, kind, rows, threads).ok_or_else(too_large)?;
        let mut logged = false;
        loop {
            if let Some(threads) = memory::threads_within(self.limit_now(), kind, rows, most) {
                let pieces = memory::estimate(kind, rows, threads) / PIECE;
                let pieces = u32::try_from(pieces).map_err(|_| too_large())?;
                if self.pieces.available_permits() < pieces as usize {
                    log_wait(&mut logged, kind, rows);
                }
                let taken = Arc::clone(&self.pieces).acquire_many_owned(pieces).await;
                // It is never closed.
                let taken = taken.map_err(|_| too_large())?;
                if self.all_fit() {
                    return Ok(Reserved {
                        threads,
                        _pieces: taken,
                    });
                }
            }
            log_wait(&mut logged, kind, rows);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What all runs together may take now, in bytes.
    fn limit_now(&self) -> u64 {
        self.measure
            .map_or(self.limit, |measure| share(measure()).min(self.limit))
    }

    /// Whether there is now as much memory as is reserved.
    fn all_fit(&self) -> bool {
        let free = (self.pieces.available_permits() as u64).saturating_mul(PIECE);
        self.measure.is_none() || self.limit.saturating_sub(free) <= self.limit_now().saturating_add(PIECE)
    }
}

fn log_wait(logged: &mut bool, kind: ModelKind, rows: u64) {
    if !std::mem::replace(logged, true) {
        info!(%kind, rows, "the run waits until there is memory for it");
    }
}

fn share(bytes: u64) -> u64 {
    (bytes as f64 * SHARE) as u64
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
    use std::{
        pin::pin,
        sync::atomic::{AtomicU64, Ordering},
        task::Poll,
    };

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
        assert_eq!(memory.limit, share(available::in_all()));
        assert!(memory.limit_now() <= memory.limit);
    }

    /// Other programs may have the memory for a while: the run fits, only not now.
    #[tokio::test]
    async fn a_run_waits_for_memory_that_other_programs_have() {
        static AVAILABLE: AtomicU64 = AtomicU64::new(1 << 20);
        let memory = Memory::limited(needed(2), Some(|| AVAILABLE.load(Ordering::Relaxed)));
        let mut run = pin!(memory.reserve(KIND, ROWS, 2));
        assert!(matches!(poll_once(run.as_mut()).await, Poll::Pending));
        AVAILABLE.store(needed(2) * 2, Ordering::Relaxed);
        assert_eq!(run.await.unwrap().threads, 2);
        let never = memory.reserve(KIND, 100 * ROWS, 2).await;
        assert!(never.is_err(), "it is above the share of the whole machine");
    }

    /// Memory that is reserved counts before it is used.
    #[tokio::test]
    async fn runs_wait_for_each_other_where_other_programs_have_memory() {
        static AVAILABLE: AtomicU64 = AtomicU64::new(0);
        AVAILABLE.store(needed(1) * 2, Ordering::Relaxed);
        let memory = Memory::limited(needed(1) * 3, Some(|| AVAILABLE.load(Ordering::Relaxed)));
        let first = memory.reserve(KIND, ROWS, 1).await.unwrap();
        let mut second = pin!(memory.reserve(KIND, ROWS, 1));
        assert!(matches!(poll_once(second.as_mut()).await, Poll::Pending));
        drop(first);
        assert_eq!(second.await.unwrap().threads, 1);
    }
}
