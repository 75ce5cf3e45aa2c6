//! Files that wait for an operator, and files taken out of the dataset.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Process, World, in_world, until};

use super::outages::closed_gate;
use crate::data::{HEADER, diamonds, get};

const BLOCK: [(&str, &str); 1] = [("LAPIDARY__INGEST__DRIFT", "block")];

/// As [`diamonds`], and ten times as dear.
pub(super) fn dear(rows: u32, seed: u32) -> Vec<u8> {
    let text = String::from_utf8_lossy(&diamonds(rows, seed)).into_owned();
    let dearer = |line: &str| {
        let mut fields: Vec<String> = line.split(',').map(ToOwned::to_owned).collect();
        fields[6] += "0";
        fields.join(",") + "\n"
    };
    let rows: String = text.lines().skip(1).map(dearer).collect();
    (HEADER.to_owned() + &rows).into_bytes()
}

/// Ingest and the API, and an operator.
pub(super) struct Desk {
    pub(super) ingest: Process,
    _api: Process,
    pub(super) url: String,
    pub(super) key: String,
}

impl Desk {
    pub(super) async fn open(world: &World, settings: &[(&str, &str)]) -> Result<Self> {
        let ingest = world.start("ingest", settings).await?;
        let api = world.start("api", &[]).await?;
        Ok(Self {
            url: api.address().await?,
            key: world.operator_key().await?,
            ingest,
            _api: api,
        })
    }

    /// Decides on the file of this report; the answer's status and body.
    pub(super) async fn decide(&self, report: &Value, verb: &str) -> Result<(u16, Value)> {
        let sha256 = report["sha256"].as_str().context("no digest")?;
        let response = reqwest::Client::new()
            .post(format!("{}/v1/files/{sha256}/{verb}", self.url))
            .bearer_auth(&self.key)
            .json(&json!({"reason": "a new shop"}))
            .send()
            .await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    /// Waits until the file is of this status.
    pub(super) async fn becomes(&self, report: &Value, status: &str) -> Result<Value> {
        let url = format!(
            "{}/v1/files/{}",
            self.url,
            report["sha256"].as_str().context("no digest")?
        );
        until(&format!("{status} {url}"), async || {
            let file = get(&url).await?;
            Ok((file["status"] == status).then_some(file))
        })
        .await
    }

    async fn versions(&self) -> Result<Value> {
        let datasets = get(&format!("{}/v1/datasets", self.url)).await?;
        let items = datasets["items"].as_array().context("no items")?.iter().rev();
        let mut versions = Vec::new();
        for item in items {
            let version = get(&format!("{}/v1/datasets/{}", self.url, item["version"])).await?;
            let files = version["files"].as_array().into_iter().flatten();
            let names: Vec<_> = files.map(|file| file["name"].clone()).collect();
            versions.push(json!([version["rows"], names]));
        }
        Ok(versions.into())
    }
}

#[tokio::test]
async fn a_file_unlike_the_dataset_is_held_until_an_operator_decides() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &BLOCK).await?;
        world.drop_file("usual.csv", &diamonds(2000, 1))?;
        world.report("accepted", "usual.csv").await?;
        world.drop_file("dear.csv", &dear(500, 2))?;
        world.drop_file("dearer.csv", &dear(500, 3))?;
        let dear = world.report("held", "dear.csv").await?;
        let dearer = world.report("held", "dearer.csv").await?;
        assert_eq!(dear["status"], "held");
        assert_eq!(dear["profile"]["drifted"], json!(["price"]));
        assert!(
            dear["held"].as_str().is_some_and(|why| why.contains("price")),
            "{dear}"
        );
        assert_eq!(desk.versions().await?, json!([[2000, ["usual.csv"]]]));

        let (status, file) = desk.decide(&dear, "accept").await?;
        assert_eq!(
            (status, &file["decision"]["decision"]),
            (202, &json!("accept")),
            "{file}"
        );
        assert_eq!(desk.decide(&dearer, "reject").await?.0, 202);
        let accepted = desk.becomes(&dear, "accepted").await?;
        assert_eq!(accepted["dataset_version"], 2);
        assert_eq!(accepted["decision"]["reason"], "a new shop");
        assert!(accepted["decision"]["applied_at"].is_string());
        let rejected = desk.becomes(&dearer, "rejected").await?;
        assert!(
            rejected["rejection"]
                .as_str()
                .is_some_and(|why| why.contains("a new shop"))
        );
        world.report("accepted", "dear.csv").await?;
        world.report("rejected", "dearer.csv").await?;
        // A report leaves after its file.
        until("nothing to be held", async || {
            let held = std::fs::read_dir(world.path("inbox/held"))?.count();
            Ok((held == 0).then_some(()))
        })
        .await?;
        assert_eq!(
            desk.versions().await?[1],
            json!([2500, ["usual.csv", "dear.csv"]])
        );
        assert_eq!(
            desk.decide(&dearer, "accept").await?.0,
            409,
            "it must be dropped again"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn without_the_policy_a_file_unlike_the_dataset_is_used_and_its_report_says_so() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("usual.csv", &diamonds(2000, 1))?;
        let first = world.report("accepted", "usual.csv").await?;
        assert_eq!(first["profile"]["numbers"]["price"]["psi"], Value::Null);
        world.drop_file("dear.csv", &dear(500, 2))?;
        let dear = world.report("accepted", "dear.csv").await?;
        assert_eq!(dear["profile"]["drifted"], json!(["price"]));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_withdrawn_file_leaves_the_next_dataset_version_and_no_earlier_one() -> Result<()> {
    in_world(|world| async move {
        let desk = Desk::open(&world, &[]).await?;
        let shared = diamonds(100, 1);
        world.drop_file("a.csv", &shared)?;
        let a = world.report("accepted", "a.csv").await?;
        // Its first hundred rows are those of a.csv.
        let more = [shared, diamonds(50, 2).split_off(HEADER.len())].concat();
        world.drop_file("b.csv", &more)?;
        let b = world.report("accepted", "b.csv").await?;
        assert_eq!(b["rows_known"], 100);

        assert_eq!(desk.decide(&a, "withdraw").await?.0, 202);
        let withdrawn = desk.becomes(&a, "withdrawn").await?;
        assert_eq!(withdrawn["withdrawn_version"], 3);
        let after = json!([[100, ["a.csv"]], [150, ["a.csv", "b.csv"]], [150, ["b.csv"]]]);
        assert_eq!(
            desk.versions().await?,
            after,
            "b.csv brings the shared rows as well"
        );

        world.drop_file("a.csv", &diamonds(100, 1))?;
        let again = world.report("rejected", "a.csv").await?;
        assert_eq!(
            again["status"], "withdrawn",
            "dropping it again does not undo the decision"
        );
        assert_eq!(desk.decide(&a, "accept").await?.0, 202);
        let back = desk.becomes(&a, "accepted").await?;
        assert_eq!(
            (&back["dataset_version"], &back["rows_known"]),
            (&json!(4), &json!(100))
        );

        assert_eq!(desk.decide(&b, "withdraw").await?.0, 202);
        desk.becomes(&b, "withdrawn").await?;
        assert_eq!(desk.versions().await?[4], json!([100, ["a.csv"]]));
        let events = "SELECT type FROM events ORDER BY seq";
        let events: Vec<_> = world.database.query(events).await?;
        let changes = [
            "file.accepted",
            "file.accepted",
            "file.withdrawn",
            "file.accepted",
            "file.withdrawn",
        ];
        let expected: Vec<_> = changes
            .iter()
            .flat_map(|name| [json!({"type": name}), json!({"type": "dataset.ready"})])
            .collect();
        assert_eq!(events, expected);
        Ok(())
    })
    .await
}

/// W8: a withdrawal that another ingest overtakes is carried out all the same, with what that one added.
#[tokio::test]
async fn a_withdrawal_that_is_overtaken_finishes_the_difference() -> Result<()> {
    in_world(|world| async move {
        let mut desk = Desk::open(&world, &[]).await?;
        let shared = diamonds(100, 1);
        world.drop_file("a.csv", &shared)?;
        let a = world.report("accepted", "a.csv").await?;
        desk.ingest.signal(testkit::Signal::SIGTERM)?;
        desk.ingest.ended().await?;
        // Another ingest, with an inbox of its own, that looks for decisions before there is one, and never again.
        let rarely = ("LAPIDARY__INGEST__SCAN_INTERVAL_MS", "86400000");
        let inbox = world.path("other").display().to_string();
        let other = [("LAPIDARY__INGEST__INBOX", inbox.as_str()), rarely];
        let _other = world.start("ingest", &other).await?;
        let drop_there = |name: &str, content: Vec<u8>| -> Result<()> {
            let part = world.path("other").join(format!("{name}.part"));
            std::fs::write(&part, content)?;
            Ok(std::fs::rename(part, world.path("other").join(name))?)
        };
        drop_there("b.csv", diamonds(70, 2))?;
        world.becomes("SELECT max(version) FROM datasets", 2).await?;
        assert_eq!(desk.decide(&a, "withdraw").await?.0, 202);

        // The other one is first in the queue for the next version, and the withdrawal was counted without it.
        let gate = closed_gate(&world).await?;
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event = 'advisory' AND application_name = 'ingest'";
        drop_there(
            "c.csv",
            [shared, diamonds(50, 3).split_off(HEADER.len())].concat(),
        )?;
        world.becomes(waiting, 1).await?;
        desk.ingest = world.start("ingest", &[rarely]).await?;
        world.becomes(waiting, 2).await?;
        gate.rollback().await?;

        let withdrawn = desk.becomes(&a, "withdrawn").await?;
        assert_eq!(withdrawn["withdrawn_version"], 4);
        let after = json!([
            [100, ["a.csv"]],
            [170, ["a.csv", "b.csv"]],
            [220, ["a.csv", "b.csv", "c.csv"]],
            [220, ["b.csv", "c.csv"]]
        ]);
        assert_eq!(
            desk.versions().await?,
            after,
            "c.csv brings the rows of a.csv as well"
        );
        Ok(())
    })
    .await
}
