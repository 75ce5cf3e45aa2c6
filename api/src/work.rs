//! Work for the processor, off the threads that answer requests: what answers wait for, so much at a time and so much
//! waiting; and what may take its time, on a thread that gives way to all others.
//!
//! What is large is done in pieces, each of which waits for its turn again, and has places of its own: however many
//! batches there are, an explanation waits for a piece of each at the most.

use std::{
    cell::Cell,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use model::pauses;
use rayon::{ThreadPool, ThreadPoolBuilder};
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};
use tracing::warn;

use crate::{
    access::Counted,
    problem::Problem,
    shares::{Share, Shares},
};

/// Pieces of work that may wait for each that is at it; and as many large ones.
const WAITING: usize = 64;

/// Between the least, 0, and what threads have, about 50: on a busy machine such a thread still gets a tenth of a processor.
const ASIDE: u8 = 25;
/// How long such a thread works before it pauses, about.
const STRETCH: Duration = Duration::from_micros(100);
/// How long a rest is, about: with the work it makes a swap a matter of a tenth of a second.
const REST: Duration = Duration::from_micros(200);

/// A bounded pool; cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    /// At work or waiting.
    places: Arc<Semaphore>,
    /// The same, of what is done in pieces.
    large_places: Arc<Semaphore>,
    large_places_of: Arc<Shares<Counted>>,
    /// Told whenever one of these is free again.
    freed: Arc<Notify>,
    /// How long one is waited for.
    patience: Duration,
    turns: Turns,
}

/// Who is at work; cheap to clone.
#[derive(Clone)]
struct Turns {
    at_work: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
}

/// The place of what is done in pieces, until it is dropped.
pub(crate) struct LargePlace {
    turns: Turns,
    /// Kept by the piece that is at work, too: a request that is given up leaves it running, and counted.
    place: Arc<HeldPlace>,
}

/// A place and what it takes of its caller's share. Fields are dropped in this order: free first, then told.
struct HeldPlace {
    _place: OwnedSemaphorePermit,
    _share: Option<Share<Counted>>,
    _freed: NotifyOnDrop,
}

/// Wakes all who wait for a place.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

impl Pool {
    /// For half of the processors at a time, so that short requests find the other half. Its threads let others have their
    /// turn wherever the work pauses: a long piece would hold up whoever waits for its processor, a worker or the
    /// committer. Their priority is that of all: with a lower one, explanations have waited for 0.6 seconds on a busy
    /// machine, and some were refused.
    ///
    /// Of the places for what is large, one caller may have this part; the next waits for so long.
    pub(crate) fn new(share: f64, patience: Duration) -> anyhow::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at_work = (processors / 2).max(1);
        let threads = ThreadPoolBuilder::new()
            .num_threads(at_work)
            .thread_name(|_| "work".to_owned())
            .start_handler(|_| pauses::on_this_thread(give_a_turn))
            // Whoever waits for the work is told.
            .panic_handler(|_| ())
            .build()?;
        let places = at_work * (WAITING + 1);
        Ok(Self {
            places: Arc::new(Semaphore::new(places)),
            large_places: Arc::new(Semaphore::new(places)),
            large_places_of: Arc::new(Shares::part_of(places as u64, share)),
            freed: Arc::default(),
            patience,
            turns: Turns {
                at_work: Arc::new(Semaphore::new(at_work)),
                threads: Arc::new(threads),
            },
        })
    }

    /// Does a piece of work, or refuses it when too much waits already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| busy())?;
        self.turns.take(place, work).await
    }

    /// A place for a caller's work that is done in pieces; or a refusal when none becomes free soon.
    pub(crate) async fn large(&self, caller: Option<Counted>) -> Result<LargePlace, Problem> {
        let waiting = async {
            loop {
                // It knows of whatever becomes free from here on.
                let freed = self.freed.notified();
                if let Some(place) = self.free_large(caller) {
                    return place;
                }
                freed.await;
            }
        };
        timeout(self.patience, waiting).await.map_err(|_| busy())
    }

    /// A place for what is large, if the caller may have one now.
    fn free_large(&self, caller: Option<Counted>) -> Option<LargePlace> {
        let share = match caller {
            Some(caller) => Some(self.large_places_of.take(caller, 1)?),
            None => None,
        };
        let place = Arc::clone(&self.large_places).try_acquire_owned().ok()?;
        Some(LargePlace {
            turns: self.turns.clone(),
            place: Arc::new(HeldPlace {
                _place: place,
                _share: share,
                _freed: NotifyOnDrop(Arc::clone(&self.freed)),
            }),
        })
    }
}

impl LargePlace {
    /// Does a piece, when it is its turn.
    pub(crate) async fn piece<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        self.turns.take(Arc::clone(&self.place), work).await
    }
}

impl Turns {
    async fn take<T: Send + 'static>(
        &self,
        place: impl Send + 'static,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.at_work).acquire_owned().await;
        let turn = turn.map_err(|_| busy())?;
        // The permits go with the work: a request that is given up leaves it running, and counted.
        let (done, result) = oneshot::channel();
        self.threads.spawn(move || {
            let answer = work();
            drop((place, turn));
            // Nobody waits when the request was given up.
            let _ = done.send(answer);
        });
        result.await.map_err(|_| Problem::broken())
    }
}

fn busy() -> Problem {
    Problem::overloaded("too much work waits here")
}

/// Does work that answers need not wait for, on a thread of its own that runs when the others leave it time, and rests
/// wherever the work pauses, as reading a forest does.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name("aside".to_owned()).spawn(move || {
        give_way();
        pauses::on_this_thread(rest);
        // Nobody waits only when the process ends.
        let _ = done.send(work());
    })?;
    result.await.context("the work broke down")
}

/// Rests. Priority alone does not help Postgres, which runs in a control group or session of its own: between these the
/// kernel shares out time whatever the priority of the threads within, and a group that has a processor keeps it for
/// milliseconds, unless its thread sleeps.
fn rest() {
    after_a_stretch(|| thread::sleep(REST));
}

/// Lets a thread that waits for this processor go first. A rest would make those wait longer who wait for the work.
fn give_a_turn() {
    after_a_stretch(thread::yield_now);
}

/// Pauses once so much was done since the last time.
fn after_a_stretch(pause: fn()) {
    thread_local! {
        static SINCE: Cell<Instant> = Cell::new(Instant::now());
    }
    if SINCE.get().elapsed() >= STRETCH {
        pause();
        SINCE.set(Instant::now());
    }
}

/// It is a courtesy: where it is not possible, the work is done all the same.
fn give_way() {
    let least = ThreadPriorityValue::try_from(ASIDE).map(ThreadPriority::Crossplatform);
    if let Err(error) = least.map(set_current_thread_priority) {
        warn!(error, "a thread cannot give way to others");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Of this thread, as Linux tells it: the 19th field, the second being a name in brackets.
    fn niceness() -> i32 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn what_is_done_aside_gives_way_and_leaves_the_other_threads_as_they_are() {
        let (before, aside) = (niceness(), aside(niceness).await.unwrap());
        assert!(aside > before, "{aside} is not nicer than {before}");
        assert_eq!(niceness(), before);
    }

    /// How often this thread has given a processor up by itself.
    fn rests() -> u64 {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    #[tokio::test]
    async fn what_answers_wait_for_has_the_priority_of_all() {
        let pool = Pool::new(1.0, Duration::ZERO).unwrap();
        assert!(matches!(pool.run(niceness).await, Ok(nice) if nice == niceness()));
    }

    /// S16: however many batches there are, each waits for its turn again after every piece.
    #[tokio::test]
    async fn what_is_small_waits_for_a_piece_of_what_is_large_and_no_more() {
        let pool = Pool::new(1.0, Duration::ZERO).unwrap();
        let at_work = pool.turns.at_work.available_permits();
        let mut large = Vec::new();
        while let Some(place) = pool.free_large(None) {
            large.push(place);
        }
        assert!(large.len() >= WAITING, "all places for batches are taken");
        let piece = || thread::sleep(Duration::from_millis(1));
        let batches: Vec<_> = large
            .into_iter()
            .map(|place| tokio::spawn(async move { while place.piece(piece).await.is_ok() {} }))
            .collect();
        // All of them are at work or wait before the explanation comes.
        while pool.turns.at_work.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let pieces = (batches.len() / at_work + 2) as u32;
        let started = Instant::now();
        pool.run(|| ()).await.ok().unwrap();
        let waited = started.elapsed();
        batches.iter().for_each(tokio::task::JoinHandle::abort);
        // Each piece takes 1 ms, and on a busy machine ten times that.
        assert!(
            waited < pieces * Duration::from_millis(10),
            "{waited:?} for {pieces} pieces"
        );
    }

    /// S16: one caller has a part of the places for batches.
    #[tokio::test]
    async fn a_caller_has_a_part_of_the_places() {
        let pool = Pool::new(0.02, Duration::ZERO).unwrap();
        let caller = |id| Some(Counted::Key(uuid::Uuid::from_u128(id)));
        let most = pool.large_places_of.most();
        let taken: Vec<_> = (0..most).map(|_| pool.free_large(caller(1)).unwrap()).collect();
        assert!(pool.large(caller(1)).await.is_err());
        assert!(pool.large(caller(2)).await.is_ok());
        drop(taken);
        assert!(pool.large(caller(1)).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_has_its_part_waits_for_one_of_its_places() {
        let pool = Pool::new(0.000_001, Duration::from_secs(3600)).unwrap();
        let caller = Some(Counted::Key(uuid::Uuid::nil()));
        let first = pool.free_large(caller).unwrap();
        let mut next = std::pin::pin!(pool.large(caller));
        assert!(timeout(Duration::ZERO, &mut next).await.is_err(), "it waits");
        drop(first);
        assert!(next.await.is_ok());
    }

    #[tokio::test]
    async fn work_that_breaks_down_is_told_and_the_next_is_done() {
        let pool = Pool::new(1.0, Duration::ZERO).unwrap();
        for _ in 0..10 {
            assert!(
                pool.run(|| assert!(niceness() > 100, "on purpose"))
                    .await
                    .is_err()
            );
        }
        assert!(matches!(pool.run(|| 4711).await, Ok(4711)));
    }

    fn spin(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {}
    }

    #[tokio::test]
    async fn what_is_done_aside_rests_between_its_pieces() {
        let rested = aside(|| {
            // What is done before the first pause is not known of.
            pauses::pause();
            let before = rests();
            for _ in 0..10 {
                spin(STRETCH);
                pauses::pause();
            }
            rests() - before
        });
        assert!(rested.await.unwrap() >= 10);
    }

    #[tokio::test]
    async fn work_that_breaks_down_aside_is_told() {
        let broken = aside(|| assert!(niceness() > 100, "on purpose")).await;
        assert!(broken.is_err());
    }
}
