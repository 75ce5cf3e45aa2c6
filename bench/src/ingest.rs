//! How fast files come in, and what memory that takes.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use testkit::{
    World,
    generate::{Diamonds, Size},
    in_world, until,
};

use crate::usage;

/// How long one large file may take.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Args)]
pub(crate) struct Options {
    /// The size of the large file.
    #[arg(long, default_value = "1GB")]
    size: Size,
    /// How often the large file is measured, in turns with polars.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How many usual files are measured.
    #[arg(long, default_value_t = 40)]
    files: u64,
    /// The rows of a usual file.
    #[arg(long, default_value_t = 54_000)]
    rows: u64,
    /// A Python that has polars; without it, polars is not measured.
    #[arg(long)]
    python: Option<PathBuf>,
}

/// One measurement of the large file.
struct Large {
    seconds: f64,
    cpu_seconds: f64,
    peak_mib: f64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let folder = testkit::checkout()?.join(".local/bench");
    fs::create_dir_all(&folder)?;
    let file = folder.join("large.csv");
    let written = Diamonds::sized(options.size, 1).write_to(BufWriter::new(File::create(&file)?))?;
    println!("large file: {} rows, {} bytes", written.rows, written.bytes);
    println!(
        "| round | ingest s | CPU s | peak RSS MiB | polars s | CPU s | peak RSS MiB | polars / ingest | of CPU |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for round in 1..=options.rounds {
        let ours = large(&file).await?;
        let peer = options
            .python
            .as_deref()
            .map(|python| polars(python, &file))
            .transpose()?;
        println!("{}", row(round, &ours, peer.as_ref()));
    }
    fs::remove_file(&file)?;
    usual(&options).await
}

fn row(round: u32, ours: &Large, peer: Option<&Large>) -> String {
    let (ratios, peer) = match peer {
        None => ("- | -".to_owned(), "- | - | -".to_owned()),
        Some(peer) => (
            format!(
                "{:.2} | {:.2}",
                peer.seconds / ours.seconds,
                peer.cpu_seconds / ours.cpu_seconds
            ),
            peer.figures(),
        ),
    };
    format!("| {round} | {} | {peer} | {ratios} |", ours.figures())
}

impl Large {
    fn figures(&self) -> String {
        format!(
            "{:.2} | {:.2} | {:.0}",
            self.seconds, self.cpu_seconds, self.peak_mib
        )
    }
}

/// From the rename into the inbox until the file is put away.
async fn large(file: &Path) -> Result<Large> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let file = file.to_owned();
    in_world(|world| async move {
        let ingest = world.start("ingest", &[]).await?;
        let part = world.path("inbox/large.csv.part");
        fs::copy(&file, &part)?;
        File::open(&part)?.sync_all()?;
        let started = Instant::now();
        fs::rename(&part, world.path("inbox/large.csv"))?;
        let put_away = world.path("inbox/accepted/large.csv");
        while !put_away.exists() {
            ensure!(started.elapsed() < PATIENCE, "the large file takes too long");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seconds = started.elapsed().as_secs_f64();
        let pid = ingest.pid().context("it has ended")?;
        sender.send(Large {
            seconds,
            cpu_seconds: usage::cpu_us(pid)? / 1e6,
            peak_mib: usage::peak_mib(pid)?,
        })?;
        Ok(())
    })
    .await?;
    receiver.recv().context("nothing was measured")
}

/// polars' own way from the CSV to Parquet, in a process of its own.
fn polars(python: &Path, file: &Path) -> Result<Large> {
    let script = testkit::checkout()?.join("bench/peers/csv_to_parquet.py");
    let output = Command::new(python).arg(script).arg(file).output()?;
    ensure!(
        output.status.success(),
        "polars: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(Large {
        seconds: figures["seconds"].as_f64().context("no seconds")?,
        cpu_seconds: figures["cpu_seconds"].as_f64().context("no CPU seconds")?,
        peak_mib: figures["peak_mib"].as_f64().context("no peak")?,
    })
}

/// From the rename until RabbitMQ has confirmed `dataset.ready`.
async fn usual(options: &Options) -> Result<()> {
    let (files, rows) = (options.files, options.rows);
    in_world(|world| async move {
        // The trainer makes the queue that the event is routed to; it is busy with runs meanwhile, as in life.
        let _trainer = world.start("trainer", &[]).await?;
        let _ingest = world.start("ingest", &[]).await?;
        let mut seconds = Vec::new();
        for seed in 0..files {
            let name = format!("{seed}.csv");
            let part = world.path(&format!("inbox/.{name}.part"));
            Diamonds::new(rows, seed).write_to(BufWriter::new(File::create(&part)?))?;
            let renamed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
            fs::rename(&part, world.path(&format!("inbox/{name}")))?;
            seconds.push(published(&world, seed + 1).await? - renamed);
        }
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share).round() as usize];
        println!(
            "\n{files} files of {rows} rows, rename to confirmed dataset.ready: \
             median {:.3} s, p95 {:.3} s, worst {:.3} s",
            at(0.5),
            at(0.95),
            at(1.0)
        );
        Ok(())
    })
    .await
}

async fn published(world: &World, version: u64) -> Result<f64> {
    let query = format!(
        "SELECT extract(epoch FROM published_at)::float8 AS at FROM events \
         WHERE type = 'dataset.ready' AND (body -> 'data' ->> 'dataset_version')::bigint = {version} \
         AND published_at IS NOT NULL"
    );
    until("the event", async || {
        let rows = world.database.query(&query).await?;
        Ok(rows.first().and_then(|row| row["at"].as_f64()))
    })
    .await
}
