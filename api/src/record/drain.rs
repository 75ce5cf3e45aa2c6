//! From the spool to Postgres, once it is back: by ids, so that doing it twice does no harm.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ::service::error::chain;
use anyhow::Context as _;
use domain::traffic::TrafficRecord;
use nix::errno::Errno;
use storage::{
    Database,
    spool::{Aside, Ending, Reader, Sealed, Spool},
    traffic::TrafficWriter,
};
use tracing::{debug, error, info};

use super::{
    group::{self, Away},
    recorder::Recorder,
};

/// How often it is looked whether Postgres is back, and whether there is something to drain.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the spool's disk has to do here.
const DRAINING: &str = "draining";
/// How long a file that the disk does not let go of is left alone.
const REST: Duration = Duration::from_secs(5);
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
    let mut rests_until = None;
    for reason in ["missing", "unreadable", "torn"] {
        undrained(reason).increment(0);
    }
    loop {
        tokio::select! {
            _ = days.tick() => make_days(&recorder, &database).await,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let rests = rests_until.is_some_and(|until| Instant::now() < until);
        if recorder.is_away() || (recorder.spool.bytes() > 0 && !rests) {
            match bring_back(&recorder, &mut writer).await {
                Ok(Drained { stuck: 0, .. }) => {}
                Ok(_) => rests_until = Some(Instant::now() + REST),
                Err(error) => debug!(error = format!("{error:#}"), "the spool waits"),
            }
        }
        recorder.tell();
    }
}

async fn make_days(recorder: &Recorder, database: &Database) {
    match database.make_traffic_days(recorder.today(), DAYS_AHEAD).await {
        Ok(0) => {}
        Ok(made) => info!(made, "made partitions for the traffic of days to come"),
        Err(error) => debug!(
            error = chain(&error),
            "no partitions were made; the default one takes what comes"
        ),
    }
}

/// Asks Postgres whether it takes records; if so, everybody commits again, and the spool is drained beside that.
async fn bring_back(recorder: &Recorder, writer: &mut TrafficWriter) -> anyhow::Result<Drained> {
    tokio::time::timeout(ASK_WITHIN, writer.write(&[])).await??;
    // Over the connection that is there now: as quickly as it is to commit.
    tokio::time::timeout(recorder.commit_timeout, writer.write(&[])).await??;
    recorder.back();
    let drained = drain(&recorder.spool, writer, &mut |step| match step {
        Step::Drained(requests) => recorder.accounts.drained(requests),
        Step::SetAside { id, why, path } => recorder.set_aside(id, &why, path),
        Step::Stuck { why } => recorder.disk_fails(DRAINING, why),
    })
    .await;
    match drained {
        Ok(drained) => {
            if drained.stuck == 0 {
                recorder.disk_is_not_needed();
            }
            Ok(drained)
        }
        Err(Away(why)) => {
            recorder.away(&why);
            anyhow::bail!(why)
        }
    }
}

/// What a drain tells as it goes.
enum Step<'a> {
    /// Records that stand for so many requests are in Postgres, and their file is gone.
    Drained(u64),
    /// One is refused, and kept in this file.
    SetAside {
        id: uuid::Uuid,
        why: String,
        path: &'a Path,
    },
    /// The disk does not let go of a file.
    Stuck { why: String },
}

/// What a drain did.
#[derive(Debug, Default)]
struct Drained {
    /// Records that its files held.
    records: u64,
    /// Files that were not there.
    missing: u64,
    /// Files that are put aside whole.
    unreadable: u64,
    /// Files that the disk does not let go of; they are drained again.
    stuck: u64,
}

/// Why a file is not drained.
enum Stop {
    /// Postgres takes no records: no other file is drained either.
    Away(Away),
    /// The file cannot be read; others may be.
    Unread(io::Error),
    /// Its records are in Postgres, or could be; but the disk does not do its part.
    Stuck(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Stuck(error)
    }
}

/// Drains every file, as far as the disk allows.
async fn drain(
    spool: &Arc<Spool>,
    writer: &mut TrafficWriter,
    tell: &mut impl FnMut(Step),
) -> Result<Drained, Away> {
    let mut drained = Drained::default();
    for sealed in spool.seal() {
        let stuck = match drain_file(spool, &sealed, writer, tell).await {
            Ok(records) => {
                drained.records += records;
                continue;
            }
            Err(Stop::Away(away)) => return Err(away),
            Err(Stop::Unread(error)) => match give_up(spool, &sealed, &error, &mut drained) {
                Ok(()) => continue,
                Err(stuck) => stuck,
            },
            Err(Stop::Stuck(error)) => error,
        };
        drained.stuck += 1;
        tell(Step::Stuck {
            why: format!("{:?}: {stuck:#}", sealed.path),
        });
    }
    Ok(drained)
}

/// Forgets a file that is not there, and puts one aside that cannot be read.
fn give_up(spool: &Spool, sealed: &Sealed, error: &io::Error, drained: &mut Drained) -> anyhow::Result<()> {
    let path = &sealed.path;
    if error.kind() == io::ErrorKind::NotFound {
        error!(
            ?path,
            "a spool file has gone, and the records in it; the rest is drained"
        );
        spool.forget(sealed);
        drained.missing += 1;
        undrained("missing").increment(1);
        return Ok(());
    }
    // Too many open files or too little memory are no fault of the file.
    let wanting = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM].map(|it| it as i32);
    if error.raw_os_error().is_some_and(|code| wanting.contains(&code)) {
        anyhow::bail!("{error}");
    }
    let aside = spool.put_aside(sealed, Aside::Unreadable)?;
    error!(?aside, %error, "a spool file cannot be read; it is put aside, and the rest is drained");
    drained.unreadable += 1;
    undrained("unreadable").increment(1);
    Ok(())
}

/// Counts files that did not go to Postgres, or not whole.
fn undrained(reason: &'static str) -> metrics::Counter {
    metrics::counter!("lapidary_traffic_spool_files_undrained_total", "reason" => reason)
}

async fn drain_file(
    spool: &Arc<Spool>,
    sealed: &Sealed,
    writer: &mut TrafficWriter,
    tell: &mut impl FnMut(Step),
) -> Result<u64, Stop> {
    let path = sealed.path.clone();
    let mut reader = blocking(move || Reader::open(&path))
        .await?
        .map_err(Stop::Unread)?;
    let (mut records, mut drained) = (0, 0);
    loop {
        let (back, group, ending) = blocking(move || read_group(reader))
            .await?
            .map_err(Stop::Unread)?;
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

fn read_group(mut reader: Reader) -> io::Result<(Reader, Vec<TrafficRecord>, Option<Ending>)> {
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

/// Writes what Postgres takes, records that stand for so many requests, and puts the others aside.
async fn write_group(
    spool: &Spool,
    writer: &mut TrafficWriter,
    group: &[TrafficRecord],
    tell: &mut impl FnMut(Step),
) -> Result<u64, Stop> {
    let records: Vec<_> = group.iter().collect();
    let refused = group::write(writer, &records, PATIENCE)
        .await
        .map_err(Stop::Away)?;
    let mut taken: u64 = group.iter().map(TrafficRecord::requests).sum();
    for it in &refused {
        // Rare, so that the disk may be waited for here.
        let path = spool.keep_refused(it.record).map_err(anyhow::Error::new)?;
        taken -= it.record.requests();
        tell(Step::SetAside {
            id: it.record.id,
            why: it.why.clone(),
            path: &path,
        });
    }
    Ok(taken)
}

/// Everything that could be read is in Postgres: the file goes.
async fn finish(spool: &Arc<Spool>, sealed: &Sealed, ending: Ending) -> anyhow::Result<()> {
    let (spool, sealed) = (Arc::clone(spool), sealed.clone());
    let done = blocking(move || match ending {
        Ending::Whole => spool.remove(&sealed),
        Ending::Torn { bytes } => {
            let aside = spool.put_aside(&sealed, Aside::Torn)?;
            undrained("torn").increment(1);
            error!(
                ?aside,
                bytes, "the end of a spool file cannot be read; it is put aside"
            );
            Ok(())
        }
    });
    Ok(done.await??)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// Drains a folder that no process holds any more; how many records it held.
pub(crate) async fn drain_folder(folder: &Path, database: &Database) -> anyhow::Result<u64> {
    let spool = Arc::new(Spool::claim(folder).context("cannot take over the spool")?);
    let (mut set_aside, mut stuck) = (0_u64, String::new());
    let mut writer = database.traffic_writer();
    let drained = drain(&spool, &mut writer, &mut |step| match step {
        Step::Drained(_) => {}
        Step::SetAside { id, why, path } => {
            error!(request.id = %id, why, ?path, "Postgres refuses a traffic record; it is kept in a file");
            set_aside += 1;
        }
        Step::Stuck { why } => stuck = why,
    })
    .await
    .map_err(|Away(why)| anyhow::anyhow!(why))?;
    anyhow::ensure!(
        set_aside == 0,
        "Postgres refuses {set_aside} records; the log names their files"
    );
    anyhow::ensure!(
        drained.missing + drained.unreadable == 0,
        "{} files had gone and {} cannot be read; the log names them. The rest is drained",
        drained.missing,
        drained.unreadable
    );
    anyhow::ensure!(
        drained.stuck == 0,
        "the disk does not let go of {} files, such as {stuck}",
        drained.stuck
    );
    Ok(drained.records)
}
