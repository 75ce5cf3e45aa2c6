//! Work for the processor, off the threads that answer requests: so much at a time, so much waiting.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Pieces of work that may wait for each that is at it.
const WAITING: usize = 64;

/// A bounded pool; cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    /// At work or waiting.
    places: Arc<Semaphore>,
    at_work: Arc<Semaphore>,
}

impl Pool {
    /// For half of the processors at a time, so that short requests find the other half.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at_work = (processors / 2).max(1);
        Self {
            places: Arc::new(Semaphore::new(at_work * (WAITING + 1))),
            at_work: Arc::new(Semaphore::new(at_work)),
        }
    }

    /// Does a piece of work, or refuses it when too much waits already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::overloaded("too much work waits here");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.at_work)
            .acquire_owned()
            .await
            .map_err(|_| busy())?;
        // The permits go with the work: a request that is given up leaves it running, and counted.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((place, turn));
            done
        });
        done.await.map_err(|_| Problem::broken())
    }
}
