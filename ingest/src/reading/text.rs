//! Text files: one thread cuts them into blocks of whole rows, several judge the rows, one collects them in order.

use std::{
    io::{self, Read},
    num::NonZero,
    thread::{self, Scope, ScopedJoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use datafile::{Block, Header, Splitter, read_block};

use super::{
    Rules, Stopped,
    collector::{Collector, Judged},
};
use crate::progress::Progress;

/// Blocks between two threads; with the size of a block, this bounds memory.
const WAITING: usize = 4;

/// A block to judge, and where to hand what it came to.
type Work = (Block, Sender<Result<Judged, Stopped>>);
/// What the blocks came to, in the order of the file.
type InOrder = Receiver<Receiver<Result<Judged, Stopped>>>;

pub(super) fn read(
    source: impl Read,
    rules: &Rules,
    progress: &Progress,
    collector: &mut Collector,
) -> Result<(), Stopped> {
    let mut splitter = Splitter::open(source, rules.limits)?;
    let header = splitter.header().clone();
    collector.ignore(header.ignored());
    thread::scope(|scope| {
        let (work, blocks) = bounded(WAITING);
        let (order, judged) = bounded(WAITING);
        let collecting = scope.spawn(move || collect(&judged, progress, collector));
        let workers = judging(scope, &header, &blocks);
        drop(blocks);
        let split = split(&mut splitter, &work, &order);
        drop((work, order));
        workers.into_iter().try_for_each(finished)?;
        // The first thing wrong in the file is the one to tell.
        finished(collecting)??;
        split
    })
}

fn judging<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    header: &Header,
    blocks: &Receiver<Work>,
) -> Vec<ScopedJoinHandle<'scope, ()>> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let worker = |_| {
        let (header, blocks) = (header.clone(), blocks.clone());
        scope.spawn(move || {
            for (block, answer) in blocks {
                // Nobody waits for it once the collector has stopped.
                let _ = answer.send(judge(&block, &header));
            }
        })
    };
    (0..workers).map(worker).collect()
}

fn judge(block: &Block, header: &Header) -> Result<Judged, Stopped> {
    Ok(Judged::of(read_block(block, header)?)?)
}

/// Cuts the file until its end, or until the collector has stopped.
fn split(
    splitter: &mut Splitter<impl Read>,
    work: &Sender<Work>,
    order: &Sender<Receiver<Result<Judged, Stopped>>>,
) -> Result<(), Stopped> {
    while let Some(block) = splitter.next_block()? {
        let (answer, judged) = bounded(1);
        if order.send(judged).is_err() || work.send((block, answer)).is_err() {
            break;
        }
    }
    Ok(())
}

fn collect(in_order: &InOrder, progress: &Progress, collector: &mut Collector) -> Result<(), Stopped> {
    for judged in in_order {
        let judged = judged.recv().map_err(|_| panicked())?;
        collector.add(judged?)?;
        progress.goes_on();
    }
    Ok(())
}

fn finished<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, Stopped> {
    thread.join().map_err(|_| Stopped::Io(panicked()))
}

fn panicked() -> io::Error {
    io::Error::other("a reading thread panicked")
}
