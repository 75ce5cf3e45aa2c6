//! How much memory training takes: the most that a trainer has resident, less what XGBoost alone takes to fit the same
//! samples.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use testkit::{World, generate::Diamonds, in_world};

use crate::usage;

const KINDS: [&str; 3] = ["linear", "elastic_net", "xgboost"];
/// The budget, in bytes for each sample.
const BUDGET: f64 = 150.0;

#[derive(Args)]
pub(crate) struct Options {
    /// How many samples.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// How many trials the search makes.
    #[arg(long, default_value_t = 2)]
    trials: u32,
    /// The longest that reading the file, or one run, may take, in minutes.
    #[arg(long, default_value_t = 240)]
    minutes: u64,
    /// The example `bare_fit` of the crate `model`.
    #[arg(long)]
    bare: PathBuf,
}

/// What training one kind, or all, took.
struct Measured {
    what: String,
    seconds: f64,
    peak_mib: f64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let folder = testkit::checkout()?.join(".local/bench");
    fs::create_dir_all(&folder)?;
    let file = folder.join("memory.csv");
    Diamonds::new(options.rows, 1).write_to(BufWriter::new(File::create(&file)?))?;
    let (rows, trials, dropped) = (options.rows, options.trials, file.clone());
    println!("{rows} samples, {trials} trials; the most memory that was resident, in MiB.\n");
    println!("| what | seconds | peak MiB | beyond XGBoost alone, bytes a sample |");
    println!("|---|---|---|---|");
    in_world(|world| async move { measure(&world, &options, &dropped).await }).await?;
    Ok(fs::remove_file(file)?)
}

async fn measure(world: &World, options: &Options, file: &Path) -> Result<()> {
    let patience = Duration::from_secs(60 * options.minutes);
    {
        let _ingest = world.start("ingest", &[]).await?;
        let part = world.path("inbox/memory.csv.part");
        fs::copy(file, &part)?;
        fs::rename(part, world.path("inbox/memory.csv"))?;
        reaches(world, "SELECT count(*) FROM datasets", 1, patience).await?;
    }
    let trials = options.trials.to_string();
    let mut measured = Vec::new();
    for kind in KINDS {
        measured.push(train(world, kind, &trials, patience).await?);
    }
    // The same dataset version is trained on again.
    world
        .database
        .execute("UPDATE training_runs SET automatic = false")
        .await?;
    measured.push(train(world, &KINDS.join(","), &trials, patience).await?);
    let bare = bare(world, options, file).await?;
    let rows = options.rows as f64;
    for one in &measured {
        let beyond = (one.peak_mib - bare) * f64::from(1 << 20) / rows;
        println!(
            "| {} | {:.0} | {:.0} | {beyond:.0} |",
            one.what, one.seconds, one.peak_mib
        );
    }
    println!("| XGBoost alone | | {bare:.0} | |");
    let worst = measured.iter().map(|one| one.peak_mib).fold(0.0, f64::max);
    let beyond = (worst - bare) * f64::from(1 << 20) / rows;
    println!("\nAt most {beyond:.0} bytes a sample beyond XGBoost alone; the budget is {BUDGET}.");
    Ok(())
}

/// A trainer of its own makes one model of each of `kinds`.
async fn train(world: &World, kinds: &str, trials: &str, patience: Duration) -> Result<Measured> {
    let models = "SELECT count(*) FROM models";
    let wanted = world.database.number(models).await? + kinds.split(',').count() as i64;
    let settings = [
        ("LAPIDARY__TRAINING__KINDS", kinds),
        ("LAPIDARY__TRAINING__XGBOOST__TRIALS", trials),
    ];
    let started = Instant::now();
    let trainer = world.start("trainer", &settings).await?;
    reaches(world, models, wanted, patience).await?;
    let seconds = started.elapsed().as_secs_f64();
    let peak_mib = usage::peak_mib(trainer.pid().context("it has ended")?)?;
    Ok(Measured {
        what: kinds.replace(',', ", "),
        seconds,
        peak_mib,
    })
}

/// XGBoost alone, with the parameters that the search came to.
async fn bare(world: &World, options: &Options, file: &Path) -> Result<f64> {
    let parameters = "SELECT m.parameters FROM models m JOIN training_runs r ON r.id = m.run_id \
                      WHERE r.kind = 'xgboost' ORDER BY version LIMIT 1";
    let rows = world.database.query(parameters).await?;
    let parameters = rows.first().context("no model")?["parameters"].to_string();
    let output = Command::new(&options.bare).arg(file).arg(parameters).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {complaint}", options.bare.display());
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

async fn reaches(world: &World, sql: &str, number: i64, patience: Duration) -> Result<()> {
    let started = Instant::now();
    let failed = "SELECT count(*) FROM training_runs WHERE status = 'failed'";
    while world.database.number(sql).await? < number {
        ensure!(started.elapsed() < patience, "this takes too long: {sql}");
        ensure!(world.database.number(failed).await? == 0, "a run failed");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
