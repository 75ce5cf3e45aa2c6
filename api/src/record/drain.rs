//! From the spool to Postgres, once it is back: by ids, so that doing it twice does no harm.

use std::{path::Path, sync::Arc, time::Duration};

use ::service::error::chain;
use anyhow::Context as _;
use domain::traffic::TrafficRecord;
use storage::{
    Database,
    spool::{Ending, Reader, Sealed, Spool},
    traffic::TrafficWriter,
};
use tracing::{debug, error, info};

use super::{group, recorder::Recorder};

/// How often it is looked whether Postgres is back, and whether there is something to drain.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long Postgres may take to let itself be asked, connection included: nobody waits for that, and on a busy machine
/// it may take longer than a commit may.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// How long Postgres may take for a group that is not waited for by anybody.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many records go at a time.
const GROUP: usize = 500;
/// How many bytes of bodies, beyond which a group ends.
const GROUP_BYTES: usize = 8 << 20;
/// Partitions are made for so many days to come.
const DAYS_AHEAD: u64 = 7;
/// How often it is looked whether they are there.
const DAYS_EVERY: Duration = Duration::from_secs(3600);

pub(super) async fn run(recorder: Arc<Recorder>, database: Database) {
    let mut writer = database.traffic_writer();
    let mut days = tokio::time::interval(DAYS_EVERY);
    loop {
        tokio::select! {
            _ = days.tick() => make_days(&recorder, &database).await,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let waits = recorder.is_away() || recorder.spool.bytes() > 0;
        if waits && let Err(error) = bring_back(&recorder, &mut writer).await {
            debug!(error = format!("{error:#}"), "the spool waits");
        }
        recorder.tell();
    }
}

async fn make_days(recorder: &Recorder, database: &Database) {
    match database.make_traffic_days(recorder.today(), DAYS_AHEAD).await {
        Ok(0) => {}
        Ok(made) => info!(made, "made partitions for the traffic of days to come"),
        Err(error) => debug!(error = chain(&error), "no partitions were made; the default one takes what comes"),
    }
}

/// Asks Postgres whether it takes records; if so, everybody commits again, and the spool is drained beside that.
async fn bring_back(recorder: &Recorder, writer: &mut TrafficWriter) -> anyhow::Result<()> {
    tokio::time::timeout(ASK_WITHIN, writer.write(&[])).await??;
    // Over the connection that is there now: as quickly as it is to commit.
    tokio::time::timeout(recorder.commit_timeout, writer.write(&[])).await??;
    recorder.back();
    let drained = drain(&recorder.spool, writer, &mut |step| match step {
        Step::Drained(records) => recorder.accounts.drained(records),
        Step::SetAside { id, why, path } => recorder.set_aside(id, &why, path),
    })
    .await;
    if let Err(error) = &drained {
        recorder.away(&format!("{error:#}"));
    }
    drained.map(drop)
}

/// What a drain tells as it goes.
enum Step<'a> {
    /// So many records are in Postgres, and their file is gone.
    Drained(u64),
    /// One is refused, and kept in this file.
    SetAside {
        id: uuid::Uuid,
        why: String,
        path: &'a Path,
    },
}

/// Drains every file; how many records they held.
async fn drain(
    spool: &Arc<Spool>,
    writer: &mut TrafficWriter,
    tell: &mut impl FnMut(Step),
) -> anyhow::Result<u64> {
    let mut records = 0;
    for sealed in spool.seal() {
        records += drain_file(spool, &sealed, writer, tell).await?;
    }
    Ok(records)
}

async fn drain_file(
    spool: &Arc<Spool>,
    sealed: &Sealed,
    writer: &mut TrafficWriter,
    tell: &mut impl FnMut(Step),
) -> anyhow::Result<u64> {
    let path = sealed.path.clone();
    let mut reader = blocking(move || Ok(Reader::open(&path)?)).await?;
    let (mut records, mut drained) = (0, 0);
    loop {
        let (back, group, ending) = blocking(move || read_group(reader)).await?;
        reader = back;
        records += group.len() as u64;
        drained += write_group(spool, writer, &group, tell).await?;
        if let Some(ending) = ending {
            finish(spool, sealed, ending).await?;
            // Counted when the file has gone: what is interrupted begins again from the file's first record.
            tell(Step::Drained(drained));
            return Ok(records);
        }
    }
}

fn read_group(mut reader: Reader) -> anyhow::Result<(Reader, Vec<TrafficRecord>, Option<Ending>)> {
    let (mut group, mut bytes) = (Vec::new(), 0);
    while group.len() < GROUP && bytes < GROUP_BYTES {
        match reader.read_next()? {
            Ok(record) => {
                bytes += record.request_body.bytes.len() + record.response_body.bytes.len();
                group.push(record);
            }
            Err(ending) => return Ok((reader, group, Some(ending))),
        }
    }
    Ok((reader, group, None))
}

/// Writes what Postgres takes, so many records, and puts the others aside.
async fn write_group(
    spool: &Spool,
    writer: &mut TrafficWriter,
    group: &[TrafficRecord],
    tell: &mut impl FnMut(Step),
) -> anyhow::Result<u64> {
    let records: Vec<_> = group.iter().collect();
    let refused = group::write(writer, &records, PATIENCE)
        .await
        .map_err(|away| anyhow::anyhow!(away.0))?;
    for it in &refused {
        // Rare, so that the disk may be waited for here.
        let path = spool.keep_refused(it.record)?;
        tell(Step::SetAside {
            id: it.record.id,
            why: it.why.clone(),
            path: &path,
        });
    }
    Ok((group.len() - refused.len()) as u64)
}

/// Everything that could be read is in Postgres: the file goes.
async fn finish(spool: &Arc<Spool>, sealed: &Sealed, ending: Ending) -> anyhow::Result<()> {
    let (spool, sealed) = (Arc::clone(spool), sealed.clone());
    blocking(move || {
        match ending {
            Ending::Whole => spool.remove(&sealed)?,
            Ending::Torn { bytes } => {
                let aside = spool.put_aside(&sealed)?;
                error!(
                    ?aside,
                    bytes, "the end of a spool file cannot be read; it is put aside"
                );
            }
        }
        Ok(())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Drains a folder that no process holds any more; how many records it held.
pub(crate) async fn drain_folder(folder: &Path, database: &Database) -> anyhow::Result<u64> {
    let spool = Arc::new(Spool::claim(folder).context("cannot take over the spool")?);
    let mut set_aside = 0_u64;
    let mut writer = database.traffic_writer();
    let drained = drain(&spool, &mut writer, &mut |step| {
        if let Step::SetAside { id, why, path } = step {
            error!(request.id = %id, why, ?path, "Postgres refuses a traffic record; it is kept in a file");
            set_aside += 1;
        }
    })
    .await?;
    anyhow::ensure!(
        set_aside == 0,
        "Postgres refuses {set_aside} records; the log names their files"
    );
    Ok(drained)
}
