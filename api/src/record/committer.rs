//! A committer: takes what waits, makes it durable, lets the answers go; again.

use std::sync::Arc;

use domain::traffic::TrafficRecord;
use storage::{
    spool::{Spool, SpoolError},
    traffic::TrafficWriter,
};
use tracing::error;

use super::{
    group::{self, Away},
    queue::Waiting,
    recorder::Recorder,
};

pub(super) async fn run(recorder: Arc<Recorder>, mut writer: TrafficWriter) {
    loop {
        let group = recorder.queue.next().await;
        keep(&recorder, &mut writer, group).await;
        recorder.queue.done();
    }
}

/// In Postgres, or else in the spool, or else those who wait are told.
async fn keep(recorder: &Recorder, writer: &mut TrafficWriter, group: Vec<Waiting>) {
    if recorder.is_away() {
        return spool(recorder, group).await;
    }
    match commit(recorder, writer, &group).await {
        Ok(refused) if refused.is_empty() => {
            recorder.accounts.committed(group.len() as u64);
            release(group);
        }
        Ok(refused) => keep_apart(recorder, group, &refused).await,
        Err(Away(why)) => {
            recorder.away(&why);
            spool(recorder, group).await;
        }
    }
}

/// Commits; the places of those that Postgres refuses, and why.
async fn commit(
    recorder: &Recorder,
    writer: &mut TrafficWriter,
    group: &[Waiting],
) -> Result<Vec<(usize, String)>, Away> {
    let records: Vec<_> = group.iter().map(|waiting| &waiting.record).collect();
    let refused = group::write(writer, &records, recorder.commit_timeout).await?;
    let place = |record: &TrafficRecord| group.iter().position(|it| it.record.id == record.id);
    Ok(refused
        .into_iter()
        .filter_map(|it| Some((place(it.record)?, it.why)))
        .collect())
}

/// Lets the committed go, and keeps each of the others in a file of its own.
async fn keep_apart(recorder: &Recorder, group: Vec<Waiting>, refused: &[(usize, String)]) {
    let mut committed = Vec::new();
    for (place, waiting) in group.into_iter().enumerate() {
        match refused.iter().find(|(of, _)| *of == place) {
            None => committed.push(waiting),
            Some((_, why)) => keep_aside(recorder, waiting, why).await,
        }
    }
    recorder.accounts.committed(committed.len() as u64);
    release(committed);
}

async fn keep_aside(recorder: &Recorder, waiting: Waiting, why: &str) {
    let kept = on_disk(recorder, vec![waiting], |spool, records| {
        spool.keep_refused(records[0])
    })
    .await;
    if let Some((path, group)) = kept {
        for waiting in &group {
            recorder.set_aside(waiting.record.id, why, &path);
        }
        recorder.accounts.spooled(1);
        release(group);
    }
}

async fn spool(recorder: &Recorder, group: Vec<Waiting>) {
    if let Some(((), group)) = on_disk(recorder, group, |spool, records| spool.append(records)).await {
        recorder.accounts.spooled(group.len() as u64);
        release(group);
    }
}

/// Writes to the spool, off the async threads. When that fails nobody's record is kept, and all are told by the
/// closing of their channels.
async fn on_disk<T: Send + 'static>(
    recorder: &Recorder,
    group: Vec<Waiting>,
    write: impl FnOnce(&Spool, &[&TrafficRecord]) -> Result<T, SpoolError> + Send + 'static,
) -> Option<(T, Vec<Waiting>)> {
    let (spool, requests) = (Arc::clone(&recorder.spool), group.len() as u64);
    let written = tokio::task::spawn_blocking(move || {
        let records: Vec<_> = group.iter().map(|waiting| &waiting.record).collect();
        write(&spool, &records).map(|done| (done, group))
    });
    let why = match written.await {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => format!("{:#}", anyhow::Error::new(error)),
        Err(error) => error.to_string(),
    };
    error!(
        requests,
        error = why,
        "the spool takes no records; requests are refused"
    );
    recorder.refuse(requests);
    None
}

fn release(group: Vec<Waiting>) {
    for waiting in group {
        // Nobody waits only when the process ends.
        let _ = waiting.kept.send(());
    }
}
