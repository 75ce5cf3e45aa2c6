//! Data and machines at their limits: absurd rows cost accuracy and nothing else, and memory is told before it is taken.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Process, World, in_world, until};

use super::{QUICK, RUNS};
use crate::data::{diamonds, get};

/// A thousand good rows, one priced beyond every limit, and one at the highest price that is plausible.
fn with_absurd_rows() -> Vec<u8> {
    let mut file = diamonds(1_000, 1);
    file.extend(b"1,Ideal,H,SI1,61.5,56,1e9,6.4,6.4,3.9\n");
    file.extend(b"0.9,Ideal,H,SI1,61.5,56,10000000,6.2,6.2,3.8\n");
    file
}

/// The verdicts on the models of a dataset version, in the order of the models.
async fn verdicts(world: &World, dataset_version: u32) -> Result<Vec<Value>> {
    let query = format!(
        "SELECT m.verdict FROM models m JOIN training_runs r ON r.id = m.run_id \
         WHERE r.dataset_version = {dataset_version} ORDER BY m.version"
    );
    let rows = world.database.query(&query).await?;
    Ok(rows.into_iter().map(|row| row["verdict"].clone()).collect())
}

/// F9: a row beyond the limits is rejected with the reason; one that is just within them keeps no model, neither this
/// dataset version's nor a later one's, from becoming champion.
#[tokio::test]
async fn an_absurd_price_costs_accuracy_and_not_learning() -> Result<()> {
    in_world(|world| async move {
        let settings = [
            ("LAPIDARY__TRAINING__KINDS", "linear,elastic_net,xgboost"),
            ("LAPIDARY__TRAINING__XGBOOST__TRIALS", "4"),
        ];
        let _ingest = world.start("ingest", &[]).await?;
        let trainer = world.start("trainer", &[&settings[..], &QUICK].concat()).await?;
        world.drop_file("absurd.csv", &with_absurd_rows())?;
        let report = world.report("accepted", "absurd.csv").await?;
        assert_eq!(
            report["reasons"],
            json!([{"reason": "price must not be greater than 10000000", "count": 1, "lines": [1002]}])
        );
        world.becomes("SELECT count(*) FROM models", 3).await?;
        let first = verdicts(&world, 1).await?;
        assert_eq!(first[0]["promoted"], true, "{}", first[0]);
        for verdict in &first {
            let checks = verdict["checks"].as_array().context("no checks")?;
            assert!(checks.iter().all(|check| check["passed"] == true), "{verdict}");
        }

        world.drop_file("clean.csv", &diamonds(5_000, 2))?;
        world.becomes("SELECT count(*) FROM models", 6).await?;
        let second = verdicts(&world, 2).await?;
        assert!(
            second.iter().any(|verdict| verdict["promoted"] == true),
            "{second:#?}"
        );
        let ready = get(&format!("{}/readyz", trainer.address().await?)).await?;
        assert_eq!(ready["components"]["challengers"]["state"], "up", "{ready}");
        Ok(())
    })
    .await
}

/// F9: dataset versions of which nothing can become champion are counted, and degrade the trainer.
#[tokio::test]
async fn dataset_versions_without_a_usable_challenger_are_told() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        // No model explains more than everything.
        let settings = [("LAPIDARY__PROMOTION__MIN_R2", "1")];
        let trainer = world.start("trainer", &[&settings[..], &QUICK].concat()).await?;
        for version in 1..=3 {
            world.drop_file(&format!("{version}.csv"), &diamonds(300, version))?;
            world
                .becomes("SELECT count(*) FROM models", version.into())
                .await?;
        }
        let address = trainer.address().await?;
        let told = until("the trainer to tell", async || {
            let ready = get(&format!("{address}/readyz")).await?;
            let told = ready["components"]["challengers"]["state"] == "degraded";
            Ok(told.then_some(ready))
        })
        .await?;
        assert_eq!(told["status"], "degraded");
        let detail = told["components"]["challengers"]["detail"]
            .as_str()
            .unwrap_or_default();
        assert!(
            detail.starts_with("the last 3 dataset versions gave no model that could become champion:")
                && detail.contains("r2 at least 1"),
            "{detail}"
        );
        let metrics = reqwest::get(format!("{address}/metrics")).await?.text().await?;
        let gauge = "lapidary_dataset_versions_without_usable_challenger{service=\"trainer\"} 3";
        assert!(metrics.contains(gauge), "{metrics}");
        Ok(())
    })
    .await
}

/// The most memory that a process has had resident, in MiB.
fn peak_mib(process: &Process) -> Result<u64> {
    let pid = process.pid().context("it has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    Ok(kib.context("no VmHWM")?.trim().parse::<u64>()? / 1024)
}

/// F3: rows that are there millions of times take the trainer no more memory than one: it reads some at a time, and
/// holds each once.
#[tokio::test]
async fn equal_rows_take_the_trainer_no_memory() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let mut file = diamonds(500, 1);
        let row = b"1,Ideal,H,SI1,61.5,56,5000,6.4,6.4,3.9\n";
        file.extend(row.repeat(2_000_000));
        world.drop_file("equal.csv", &file)?;
        world.report("accepted", "equal.csv").await?;
        drop(file);
        let trainer = world.start("trainer", &QUICK).await?;
        world.becomes("SELECT count(*) FROM models", 1).await?;
        let peak = peak_mib(&trainer)?;
        assert!(peak < 300, "{peak} MiB");
        Ok(())
    })
    .await
}

/// W9: a run that cannot fit fails once, with the figures, and is not begun again and again.
#[tokio::test]
async fn a_run_that_can_never_fit_fails_once_in_words() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let settings = [
            ("LAPIDARY__TRAINER__MAX_MEMORY_BYTES", "1048576"),
            ("LAPIDARY__TELEMETRY__LOG", "info,trainer=debug"),
        ];
        let trainer = world.start("trainer", &[&settings[..], &QUICK].concat()).await?;
        world.drop_file("a.csv", &diamonds(500, 1))?;
        world
            .becomes("SELECT count(*) FROM training_runs WHERE status = 'failed'", 1)
            .await?;
        let looked = || {
            let lines = trainer.lines();
            lines
                .iter()
                .filter(|line| line["message"] == "looked for missing runs")
                .count()
        };
        let before = looked();
        until("the trainer to look again", async || {
            Ok((looked() > before + 3).then_some(()))
        })
        .await?;
        let failed = json!({"status": "failed", "attempts": 1, "failures": 1, "crashes": 0});
        assert_eq!(world.database.query(RUNS).await?, [failed]);
        let rows = world.database.query("SELECT error FROM training_runs").await?;
        let error = rows[0]["error"].as_str().unwrap_or_default();
        assert!(
            error.starts_with("training linear on ")
                && error.contains(" samples needs about ")
                && error.contains("and this trainer may use 1 MB: raise trainer.max_memory_bytes"),
            "{error}"
        );
        Ok(())
    })
    .await
}
