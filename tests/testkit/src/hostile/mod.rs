//! A hostile load that is bounded, and an honest client beside it: what the client sees of the attack.
//!
//! Attackers are the addresses from 127.0.0.2 on, so the API under attack has to run with `api.limit_loopback`; the honest
//! client is 127.0.0.1.

mod attacks;
mod honest;
mod wire;

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio_util::sync::CancellationToken;

use crate::{Process, World, generate::Diamonds, until};
pub use honest::Times;

/// Answers by attack and status; 0 is a connection that was closed without one.
type Answers = BTreeMap<&'static str, BTreeMap<u16, u64>>;

/// What the API answers to what is too much.
const REFUSALS: [u16; 3] = [413, 429, 503];
/// The most memory that the API may take.
const MEMORY_MIB: u64 = 512;
/// By how much the database may grow: by a start, and every second. That is room for 200 small records a second of each
/// address that floods, and none for the bodies that are poured in.
const GROWTH_BYTES: i64 = 32 << 20;
const GROWTH_BYTES_PER_SECOND: i64 = 4 << 20;
/// Models that lists have, beside the champion.
const MODELS: u32 = 1000;

/// What was seen.
pub struct Outcome {
    /// The honest client before the attack.
    pub calm: Times,
    /// The honest client during the attack.
    pub attacked: Times,
    /// The most memory that the API has had resident, in MiB.
    pub peak_mib: u64,
    /// By how much the database grew during the attack, in bytes.
    pub growth_bytes: i64,
    /// Answers to the attackers.
    pub answers: Answers,
}

/// Counts answers to attackers; cheap to clone.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<Answers>>);

impl Tally {
    /// Lists an attack, even if nothing answers it.
    fn announce(&self, attack: &'static str) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry(attack).or_default();
    }

    fn count(&self, attack: &'static str, status: u16) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(attack).or_default().entry(status).or_default() += 1;
    }
}

/// The services with a model that serves, and lists of a thousand models and runs.
pub struct System {
    _ingest: Process,
    _trainer: Process,
    api: Process,
    address: SocketAddr,
}

impl System {
    /// Starts it. Bodies may take `body_timeout` to arrive, which has to be far shorter than the attack: only then those
    /// that come slowly, or never, are answered during it.
    ///
    /// # Errors
    ///
    /// When a service does not start, or no model comes to serve.
    pub async fn start(world: &World, body_timeout: Duration) -> Result<Self> {
        let ingest = world.start("ingest", &[]).await?;
        let trainer = world.start("trainer", &[]).await?;
        let body_timeout = body_timeout.as_millis().to_string();
        let settings = [
            ("LAPIDARY__API__LIMIT_LOOPBACK", "true"),
            ("LAPIDARY__API__BODY_TIMEOUT_MS", body_timeout.as_str()),
        ];
        let api = world.start("api", &settings).await?;
        let url = api.address().await?;
        world.drop_file("diamonds.csv", &Diamonds::new(5000, 1).to_bytes())?;
        until("a model that serves", async || {
            let champion = reqwest::get(format!("{url}/v1/models/champion")).await?;
            Ok(champion.status().is_success().then_some(()))
        })
        .await?;
        world.database.execute(&more_models()).await?;
        let address = url.trim_start_matches("http://").parse()?;
        Ok(Self {
            _ingest: ingest,
            _trainer: trainer,
            api,
            address,
        })
    }

    /// Measures the honest client for a while, then for another while with everything against it at once.
    ///
    /// # Errors
    ///
    /// When it cannot be measured.
    pub async fn attack(&self, world: &World, calm: Duration, attacked: Duration) -> Result<Outcome> {
        let size = "SELECT pg_database_size(current_database())";
        honest::wait_until_served(self.address).await?;
        let calm = honest::measure(self.address, calm).await?;
        let before = world.database.number(size).await?;
        let (tally, stop) = (Tally::default(), CancellationToken::new());
        let attackers = attacks::begin(self.address, &tally, &stop);
        let attacked = honest::measure(self.address, attacked).await;
        stop.cancel();
        attackers.join_all().await;
        let answers = tally.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Outcome {
            calm,
            attacked: attacked?,
            peak_mib: peak_mib(&self.api)?,
            growth_bytes: world.database.number(size).await? - before,
            answers,
        })
    }
}

impl Outcome {
    /// What it says against the API, but for times: whatever else the machine does, these hold.
    #[must_use]
    pub fn missed(&self, attacked: Duration) -> Vec<String> {
        let growth = GROWTH_BYTES + GROWTH_BYTES_PER_SECOND * attacked.as_secs().cast_signed();
        let bounds = [
            (
                self.attacked.refused > 0,
                format!("{} honest requests were refused", self.attacked.refused),
            ),
            (
                self.peak_mib > MEMORY_MIB,
                format!("the API took more than {MEMORY_MIB} MiB"),
            ),
            (
                self.growth_bytes > growth,
                format!("the database grew by more than {} MiB", growth >> 20),
            ),
        ];
        bounds
            .into_iter()
            .filter(|(is_missed, _)| *is_missed)
            .map(|(_, what)| what)
            .collect()
    }

    /// Which attacks did not take place, for without them it says nothing; how many there should have been.
    #[must_use]
    pub fn missing(&self) -> (Vec<String>, usize) {
        (missing_attacks(&self.answers), self.answers.len())
    }
}

/// Attacks that the API never answered, and those that went beyond its limits and were never refused.
fn missing_attacks(answers: &Answers) -> Vec<String> {
    let missing = |attack: &str, statuses: &BTreeMap<u16, u64>| {
        if statuses.keys().all(|status| *status == 0) {
            return Some(format!("the attack \"{attack}\" got no answer"));
        }
        let refused = statuses.keys().any(|status| REFUSALS.contains(status));
        let due = attacks::EXCESSIVE.contains(&attack);
        (due && !refused).then(|| format!("the attack \"{attack}\" was never refused"))
    };
    answers
        .iter()
        .filter_map(|(attack, statuses)| missing(attack, statuses))
        .collect()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "honest client", "answers", "p50 ms", "p99 ms", "max ms", "refused"
        )?;
        for (name, times) in [("calm", &self.calm), ("attacked", &self.attacked)] {
            writeln!(
                f,
                "{name:<16} {:>8} {:>8.1} {:>8.1} {:>8.1} {:>8}",
                times.len(),
                times.at(0.5),
                times.at(0.99),
                times.at(1.0),
                times.refused
            )?;
        }
        if let Some(example) = &self.attacked.example {
            writeln!(f, "one refusal: {example}")?;
        }
        writeln!(f, "\n{:<16} answers by status (0: closed without one)", "attack")?;
        for (attack, statuses) in &self.answers {
            let statuses: Vec<_> = statuses
                .iter()
                .map(|(status, count)| format!("{status} × {count}"))
                .collect();
            writeln!(f, "{attack:<16} {}", statuses.join(", "))?;
        }
        writeln!(f, "\nmost memory of the API: {} MiB", self.peak_mib)?;
        writeln!(
            f,
            "growth of the database: {:.1} MiB",
            self.growth_bytes as f64 / f64::from(1 << 20)
        )
    }
}

/// Copies of the first run and its model, under other numbers.
fn more_models() -> String {
    format!(
        "DO $$ DECLARE run training_runs; model models; BEGIN FOR number IN 1..{MODELS} LOOP \
         SELECT * INTO run FROM training_runs WHERE status = 'succeeded' ORDER BY started_at LIMIT 1; \
         SELECT * INTO model FROM models WHERE version = 1; \
         run.id := gen_random_uuid(); run.automatic := false; \
         model.run_id := run.id; model.version := (SELECT max(version) + 1 FROM models); \
         INSERT INTO training_runs VALUES (run.*); INSERT INTO models VALUES (model.*); \
         END LOOP; END $$"
    )
}

/// The most memory that a process has had resident.
fn peak_mib(process: &Process) -> Result<u64> {
    let pid = process.pid().context("the API has ended")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("no VmHWM")?.trim().parse::<u64>()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_that_did_not_take_place_is_named() {
        let tally = Tally::default();
        for attack in ["slow bodies", "event streams", "batches", "long heads"] {
            tally.announce(attack);
        }
        tally.count("event streams", 200);
        tally.count("batches", 200);
        tally.count("batches", 429);
        tally.count("long heads", 0);
        let answers = tally.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(
            missing_attacks(&answers),
            [
                "the attack \"event streams\" was never refused",
                "the attack \"long heads\" got no answer",
                "the attack \"slow bodies\" got no answer",
            ]
        );
    }
}
