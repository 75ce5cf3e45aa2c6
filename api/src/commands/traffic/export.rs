//! `api traffic export`.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use clap::Args;
use domain::{ModelVersion, traffic::TrafficRecord};
use storage::traffic::{TrafficFilter, TrafficParquet};

use super::csv::CsvFile;

/// Records of one part; the memory that an export takes is bounded by it.
const PART: u64 = 500;

#[derive(Args)]
pub(crate) struct Export {
    /// The file to write: NAME.parquet or NAME.csv. It must not exist.
    file: PathBuf,
    /// Only requests from this time on, such as 2026-01-31T12:00:00Z.
    #[arg(long)]
    since: Option<DateTime<Utc>>,
    /// Only requests before this time.
    #[arg(long)]
    until: Option<DateTime<Utc>>,
    /// Only requests of exactly this path.
    #[arg(long)]
    path: Option<String>,
    /// Only answers with this status.
    #[arg(long)]
    status: Option<u16>,
    /// Only answers of this model.
    #[arg(long)]
    model_version: Option<ModelVersion>,
}

enum Sink {
    Parquet(Box<TrafficParquet>),
    Csv(Box<CsvFile>),
}

impl Export {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let database = crate::commands::registry("api traffic").await?;
        let (file, part) = (self.file.clone(), self.file.with_added_extension("part"));
        let mut sink = Sink::create(&self.file, &part)?;
        let filter = self.filter();
        let (mut records, mut after) = (0, None);
        loop {
            let rows = database.traffic_after(&filter, after, PART).await?;
            let Some(last) = rows.last() else { break };
            (records, after) = (records + rows.len(), Some(last.id));
            sink.write(&rows)?;
        }
        sink.finish()?;
        fs::rename(&part, &file)?;
        println!("{records} records are in {}", file.display());
        Ok(())
    }

    fn filter(self) -> TrafficFilter {
        TrafficFilter {
            since: self.since,
            until: self.until,
            path: self.path,
            status: self.status,
            model_version: self.model_version,
        }
    }
}

impl Sink {
    fn create(file: &Path, part: &Path) -> anyhow::Result<Self> {
        let extension = file.extension().and_then(|it| it.to_str());
        let is_parquet = match extension {
            Some("parquet") => true,
            Some("csv") => false,
            _ => bail!("{} is neither a .parquet nor a .csv", file.display()),
        };
        anyhow::ensure!(!file.exists(), "{} exists already", file.display());
        let opened = private(part).with_context(|| format!("cannot write {}", part.display()))?;
        Ok(match is_parquet {
            true => Self::Parquet(Box::new(TrafficParquet::new(opened)?)),
            false => Self::Csv(Box::new(CsvFile::new(opened)?)),
        })
    }

    fn write(&mut self, records: &[TrafficRecord]) -> anyhow::Result<()> {
        match self {
            Self::Parquet(parquet) => Ok(parquet.write(records)?),
            Self::Csv(csv) => csv.write(records),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Parquet(parquet) => Ok(parquet.finish()?),
            Self::Csv(csv) => csv.finish(),
        }
    }
}

/// A new file that is nobody else's to read: what people sent is in it.
fn private(path: &Path) -> io::Result<File> {
    // One that an export left behind may be anybody's.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
