//! Trials in parallel.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Does every job, on as many threads as there are stands, and answers in the order of the jobs.
///
/// A job is done wholly on one thread. Which thread does which job depends on chance, so `work` must not depend on
/// what its stand did before.
pub(super) fn run<J: Sync, S: Send, R: Send>(
    jobs: &[J],
    stands: &mut [S],
    work: impl Fn(&J, &S) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let one_thread = &|stand: &mut S| {
        let mut done = Vec::new();
        while let Some((place, job)) = take(jobs, &next) {
            done.push((place, work(job, stand)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = stands
            .iter_mut()
            .map(|stand| scope.spawn(move || one_thread(stand)))
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        joined.flatten().collect::<Vec<_>>()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

fn take<'j, J>(jobs: &'j [J], next: &AtomicUsize) -> Option<(usize, &'j J)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(place).map(|job| (place, job))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, sync::Barrier};

    #[test]
    fn answers_come_in_the_order_of_the_jobs_on_any_number_of_threads() {
        let jobs: Vec<u64> = (0..50).collect();
        for threads in 1..5 {
            let answers = run(&jobs, &mut vec![(); threads], |job, ()| job * job);
            assert_eq!(answers, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        }
    }

    #[test]
    fn jobs_run_at_once_each_on_a_thread() {
        let meeting = Barrier::new(3);
        let threads = run(&[(); 3], &mut [(); 3], |(), ()| {
            meeting.wait();
            thread::current().id()
        });
        assert_eq!(threads.into_iter().collect::<HashSet<_>>().len(), 3);
    }

    #[test]
    fn no_jobs_give_no_answers() {
        assert!(run(&[], &mut [(); 2], |job: &u8, ()| *job).is_empty());
    }
}
