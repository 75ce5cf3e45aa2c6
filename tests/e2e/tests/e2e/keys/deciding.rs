//! Deciding on files, as far as the API goes: ingest does the rest.

use anyhow::Result;
use reqwest::Client;
use serde_json::{Value, json};
use testkit::in_world;

use super::{Api, NO_FILE, answer, new_key, status};
use crate::data::get;

const HELD: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const REJECTED: &str = "3333333333333333333333333333333333333333333333333333333333333333";
/// A file that is held, and one that was rejected.
const FILES: &str = "
INSERT INTO data_files (sha256, name, bytes, status, rejection, held, batch_sha256, rows_read, rows_accepted, rows_known,
    rows_rejected, reasons, ignored_columns, received_at, finished_at)
VALUES (decode(repeat('11', 32), 'hex'), 'held.csv', 9, 'held', NULL, 'it drifted', decode(repeat('22', 32), 'hex'),
    1, 1, 0, 0, '[]', '[]', now(), now()),
    (decode(repeat('33', 32), 'hex'), 'rejected.csv', 9, 'rejected', 'half of it is bad', NULL, NULL,
    1, 0, 0, 1, '[]', '[]', now(), now())";

#[tokio::test]
async fn a_decision_without_a_good_reason_is_told_what_is_wrong() -> Result<()> {
    in_world(|world| async move {
        let api = Api::start(&world, &[]).await?;
        let key = new_key(&world, "anna", "operator").await?;
        let call = || api.decide(&format!("{NO_FILE}/reject"), &key);
        for reason in [
            json!({}),
            json!({"reason": " \n"}),
            json!({"reason": "x".repeat(1001)}),
        ] {
            let (status, problem) = answer(call().json(&reason)).await?;
            assert_eq!(
                (status, &problem["errors"][0]["pointer"]),
                (422, &json!("/reason"))
            );
        }
        let unknown = json!({"reason": "a test", "force": true});
        let (status_of_unknown, problem) = answer(call().json(&unknown)).await?;
        assert_eq!(status_of_unknown, 422);
        assert!(problem["detail"].as_str().unwrap().contains("force"), "{problem}");
        assert_eq!(status(call().json(&json!({"reason": 1}))).await?, 422);
        let json = |body: &'static str| call().header("content-type", "application/json").body(body);
        assert_eq!(status(json("{")).await?, 400);
        assert_eq!(status(call().body("reason=none")).await?, 415);
        assert_eq!(status(json(r#"{"reason": "a test"}"#)).await?, 404);
        Ok(())
    })
    .await
}

/// Says what it answered to a decision, with status.
async fn decide(api: &Api, key: &str, path: &str) -> Result<(u16, Value)> {
    let call = api.decide(path, key);
    answer(call.json(&json!({"reason": " new shop "}))).await
}

#[tokio::test]
async fn a_decision_is_written_down_once_and_shown_as_not_applied() -> Result<()> {
    in_world(|world| async move {
        let api = Api::start(&world, &[]).await?;
        let key = new_key(&world, "anna", "operator").await?;
        world.database.execute(FILES).await?;
        let (status, file) = decide(&api, &key, &format!("{HELD}/accept")).await?;
        assert_eq!((status, &file["status"]), (202, &json!("held")));
        let mut decision = file["decision"].clone();
        assert!(decision["decided_at"].take().is_string(), "{file}");
        let expected = json!({
            "decision": "accept", "reason": "new shop", "decided_by": "anna", "decided_at": null, "applied_at": null
        });
        assert_eq!(decision, expected);
        assert_eq!(get(&format!("{}/v1/files/{HELD}", api.url)).await?, file);

        let (status, problem) = decide(&api, &key, &format!("{HELD}/reject")).await?;
        assert_eq!(status, 409);
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains("not carried out yet"), "{said}");
        let decisions = "SELECT count(*) FROM file_decisions";
        assert_eq!(world.database.number(decisions).await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_decision_that_does_not_fit_is_told_what_does() -> Result<()> {
    in_world(|world| async move {
        let api = Api::start(&world, &[]).await?;
        let key = new_key(&world, "anna", "operator").await?;
        world.database.execute(FILES).await?;
        for (path, said) in [
            (
                format!("{HELD}/withdraw"),
                "the file is held; only accepted files can be withdrawn: accept it or reject it",
            ),
            (
                format!("{REJECTED}/accept"),
                "the file is rejected; only held or withdrawn files can be accepted: drop it again to have it judged anew",
            ),
        ] {
            let (status, problem) = decide(&api, &key, &path).await?;
            assert_eq!((status, &problem["detail"]), (409, &json!(said)));
        }
        let decisions = "SELECT count(*) FROM file_decisions";
        assert_eq!(world.database.number(decisions).await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn files_are_listed_by_status() -> Result<()> {
    in_world(|world| async move {
        let api = Api::start(&world, &[]).await?;
        world.database.execute(FILES).await?;
        let files = format!("{}/v1/files", api.url);
        for (query, expected) in [
            ("", vec![HELD, REJECTED]),
            ("?status=held", vec![HELD]),
            ("?status=rejected&limit=1", vec![REJECTED]),
            ("?status=accepted", vec![]),
        ] {
            let list = get(&format!("{files}{query}")).await?;
            let listed = list["items"].as_array().unwrap().iter();
            let listed: Vec<_> = listed.map(|file| file["sha256"].as_str().unwrap()).collect();
            assert_eq!(
                (listed, &list["next_cursor"]),
                (expected, &json!(null)),
                "{query}"
            );
        }
        let (status, problem) = answer(Client::new().get(format!("{files}?status=lost"))).await?;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (422, &json!("status"))
        );
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains("held, accepted, rejected, withdrawn"), "{said}");
        Ok(())
    })
    .await
}
