//! A registry of one's own, and things to put into it.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use domain::{
    ModelKind, ModelVersion, PromotionNumber, Sha256,
    file::{DataFile, FileStatus, RowCounts, Timings},
    metrics::{Errors, Metrics, Score},
    model::ArtifactRef,
    profile::Distribution,
    run::Trial,
    verdict::{Contender, Verdict},
};
use futures_util::FutureExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use storage::{
    Database, DatabaseSettings, StorageError,
    intake::{Acceptance, Kept},
    promotions::Reign,
    runs::claim::{Claim, ClaimTerms, Lease},
    runs::finish::{Finish, Trained},
};
use testkit::TestDatabase;

/// Runs a test over an empty registry, and deletes it, whatever the test did.
pub async fn over_registry<F>(test: impl FnOnce(Database, TestDatabase) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let raw = TestDatabase::migrated().await?;
    let registry = connect(&raw).await?;
    let result = AssertUnwindSafe(test(registry, raw.clone())).catch_unwind().await;
    raw.delete().await?;
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// The registry in a database of any schema.
pub async fn connect(raw: &TestDatabase) -> Result<Database, StorageError> {
    connect_by(raw.url()).await
}

/// The registry by any way to its database.
pub async fn connect_by(url: &str) -> Result<Database, StorageError> {
    let settings = DatabaseSettings {
        url: SecretString::from(url),
        max_connections: 8,
        application: "test".to_owned(),
        statement_limit: Duration::from_secs(30),
    };
    Database::connect(&settings).await
}

/// What the database's clock says.
pub async fn clock(raw: &TestDatabase) -> Result<DateTime<Utc>> {
    let rows = raw.query("SELECT clock_timestamp() AS now").await?;
    let now = rows.first().and_then(|row| row["now"].as_str());
    Ok(now.context("no time")?.parse()?)
}

/// Some moment, long ago or far ahead of the database's.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap_or_default()
}

/// A file with one accepted row, told apart by its name.
pub fn file(name: &str) -> DataFile {
    DataFile {
        sha256: Sha256::of(name.as_bytes()),
        name: name.to_owned(),
        bytes: 1,
        status: FileStatus::Accepted,
        rejection: None,
        held: None,
        rows: RowCounts {
            rows_read: 1,
            rows_accepted: 1,
            rows_known: 0,
            rows_rejected: 0,
        },
        reasons: Vec::new(),
        ignored_columns: Vec::new(),
        dataset_version: None,
        withdrawn_version: None,
        profile: None,
        decision: None,
        timings: Timings::default(),
        received_at: now(),
        finished_at: now(),
    }
}

/// What is kept of a file.
pub fn kept() -> Kept {
    Kept {
        batch: Sha256::of(b"batch"),
        overlaps: false,
        hashes: None,
        distribution: Distribution::default(),
    }
}

/// Accepts a file.
pub async fn accept(registry: &Database, name: &str) -> Result<()> {
    accept_rows(registry, name, &kept()).await
}

/// Accepts a file of which this is kept.
pub async fn accept_rows(registry: &Database, name: &str, kept: &Kept) -> Result<()> {
    let mut file = file(name);
    let Acceptance::Open(acceptance) = registry.begin_acceptance(file.sha256).await? else {
        bail!("{name} was accepted before");
    };
    file.dataset_version = Some(acceptance.next_version());
    acceptance.commit(&mut file, kept).await?;
    Ok(())
}

/// Terms with a lease of this length.
pub fn terms(lease: Duration) -> ClaimTerms {
    ClaimTerms {
        worker: "test".to_owned(),
        lease,
        seed: 42,
        settings: json!({"kind": "linear"}),
    }
}

/// A claim that must be granted.
pub async fn claimed(registry: &Database, lease: Duration) -> Result<Lease> {
    match registry.claim_run(ModelKind::Linear, &terms(lease)).await? {
        Claim::Claimed(lease) => Ok(lease),
        other => bail!("{other:?}"),
    }
}

/// Finishes a run with a promoted model, judged against that promotion.
pub async fn finish(registry: &Database, lease: &Lease, against: Option<PromotionNumber>) -> Result<Finish> {
    let reign = Reign {
        promotion: against,
        frozen: false,
    };
    finish_under(registry, lease, reign).await
}

/// Finishes a run with a promoted model, judged under that reign.
pub async fn finish_under(registry: &Database, lease: &Lease, judged_against: Reign) -> Result<Finish> {
    let errors = Errors {
        mae: 1.0,
        rmse: 1.0,
        r2: None,
        n: 1,
    };
    let score = Score {
        errors,
        slices: Default::default(),
    };
    let metrics = Metrics {
        holdout: score.clone(),
        validation: None,
        train: score,
        coverage: None,
        masked: None,
        fit: Vec::new(),
    };
    let trained = Trained {
        artifact: ArtifactRef {
            sha256: Sha256::of(b"artifact"),
            bytes: 8,
        },
        parameters: &Value::Null,
        metrics: &metrics,
        code_version: "test",
        trials: &[trial(1), trial(2)],
        log: &["trained\0".to_owned()],
        judged_against,
    };
    Ok(registry.finish_run(lease, &trained, promoted).await?)
}

/// A trial of this number.
pub fn trial(number: u32) -> Trial {
    Trial {
        number,
        parameters: json!({"max_depth": number}),
        mae: 300.0 + f64::from(number),
        rounds: 100,
        pruned: number.is_multiple_of(2),
        duration_ms: 1.5,
    }
}

fn promoted(version: ModelVersion) -> Verdict {
    Verdict {
        promoted: true,
        reason: "better".to_owned(),
        challenger: Contender { version, mae: 1.0 },
        champion: None,
        difference: None,
        checks: Vec::new(),
    }
}
