//! The committer: takes what waits, makes it durable, lets the answers go; again.
//!
//! It has a thread of its own, and a connection that is heard on that thread alone: what Postgres says would
//! otherwise wait its turn among the requests at work, while all that have been answered wait for it.
//!
//! Its stand-in, with another thread and another connection, takes what comes while the committer is late.

use std::{io, sync::Arc, thread, time::Duration};

use domain::traffic::TrafficRecord;
use storage::{spool::SpoolError, traffic::TrafficWriter};
use tokio::{runtime, sync::oneshot, time::timeout};
use tracing::error;

use super::{
    group::{self, Away},
    queue::Waiting,
    recorder::Recorder,
};

/// What the spool's disk has to do here.
const WRITING: &str = "writing records";
/// After so long without use the stand-in sees to it that its connection is still there: what lies between may forget it.
const UNUSED: Duration = Duration::from_secs(30);

/// Begins; what comes back ends when the committer does, which it should not.
pub(super) fn start(recorder: Arc<Recorder>, writer: TrafficWriter) -> io::Result<oneshot::Receiver<()>> {
    on_a_thread("committer", run(recorder, writer))
}

/// The same of its stand-in.
pub(super) fn start_stand_in(
    recorder: Arc<Recorder>,
    writer: TrafficWriter,
) -> io::Result<oneshot::Receiver<()>> {
    on_a_thread("stand-in", stand_in(recorder, writer))
}

/// Does work on a thread of its own; what comes back ends when the work does, however it does.
pub(super) fn on_a_thread(
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<oneshot::Receiver<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (alive, ended) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _alive = alive;
        runtime.block_on(work);
    })?;
    Ok(ended)
}

async fn run(recorder: Arc<Recorder>, mut writer: TrafficWriter) {
    loop {
        let group = recorder.queue.next().await;
        keep(&recorder, &mut writer, group).await;
    }
}

async fn stand_in(recorder: Arc<Recorder>, mut writer: TrafficWriter) {
    let taken_over = metrics::counter!("lapidary_traffic_stand_in_groups_total");
    loop {
        // Connects ahead: when it is called, there is no time for that. Should this fail, it connects then.
        let _ = timeout(recorder.commit_timeout, writer.write(&[])).await;
        while let Ok(group) = timeout(UNUSED, recorder.queue.overdue()).await {
            taken_over.increment(1);
            keep(&recorder, &mut writer, group).await;
        }
    }
}

/// In Postgres, or else in the spool, or else those who wait are told.
async fn keep(recorder: &Recorder, writer: &mut TrafficWriter, group: Vec<Waiting>) {
    if recorder.is_away() {
        return spool(recorder, group);
    }
    match commit(recorder, writer, &group).await {
        Ok(refused) if refused.is_empty() => {
            recorder.accounts.committed(requests(&group));
            release(group);
        }
        Ok(refused) => keep_apart(recorder, group, &refused),
        Err(Away(why)) => {
            recorder.away(&why);
            spool(recorder, group);
        }
    }
}

/// Commits; the places of those that Postgres refuses, and why.
async fn commit(
    recorder: &Recorder,
    writer: &mut TrafficWriter,
    group: &[Waiting],
) -> Result<Vec<(usize, String)>, Away> {
    let records: Vec<_> = group.iter().map(|waiting| &*waiting.record).collect();
    let refused = group::write(writer, &records, recorder.commit_timeout).await?;
    let place = |record: &TrafficRecord| group.iter().position(|it| it.record.id == record.id);
    Ok(refused
        .into_iter()
        .filter_map(|it| Some((place(it.record)?, it.why)))
        .collect())
}

/// Lets the committed go, and keeps each of the others in a file of its own.
fn keep_apart(recorder: &Recorder, group: Vec<Waiting>, refused: &[(usize, String)]) {
    let mut committed = Vec::new();
    for (place, waiting) in group.into_iter().enumerate() {
        match refused.iter().find(|(of, _)| *of == place) {
            None => committed.push(waiting),
            Some((_, why)) => keep_aside(recorder, waiting, why),
        }
    }
    recorder.accounts.committed(requests(&committed));
    release(committed);
}

fn keep_aside(recorder: &Recorder, waiting: Waiting, why: &str) {
    let kept = recorder.spool.keep_refused(&waiting.record);
    let requests = waiting.record.requests();
    if let Some(path) = on_disk(recorder, requests, kept) {
        recorder.set_aside(waiting.record.id, why, &path);
        recorder.accounts.spooled(requests);
        release(vec![waiting]);
    }
}

fn spool(recorder: &Recorder, group: Vec<Waiting>) {
    let records: Vec<_> = group.iter().map(|waiting| &*waiting.record).collect();
    let spooled = recorder.spool.append(&records);
    let requests = requests(&group);
    if on_disk(recorder, requests, spooled).is_some() {
        recorder.accounts.spooled(requests);
        release(group);
    }
}

/// How many requests these records stand for.
fn requests(group: &[Waiting]) -> u64 {
    group.iter().map(|waiting| waiting.record.requests()).sum()
}

/// What was written to the spool. When that failed nobody's record is kept, and all are told by the closing of their
/// channels.
fn on_disk<T>(recorder: &Recorder, requests: u64, written: Result<T, SpoolError>) -> Option<T> {
    match written {
        Ok(done) => {
            recorder.disk_works(WRITING);
            Some(done)
        }
        Err(error) => {
            let is_full = matches!(error, SpoolError::Full { .. });
            let error = format!("{:#}", anyhow::Error::new(error));
            error!(
                requests,
                error, "the spool takes no records; requests are refused"
            );
            if !is_full {
                recorder.disk_fails(WRITING, error);
            }
            recorder.refuse(requests);
            None
        }
    }
}

fn release(group: Vec<Waiting>) {
    for Waiting { record, kept } in group {
        // Nobody waits only when the process ends.
        let _ = kept.send(record);
    }
}
