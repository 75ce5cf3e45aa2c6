//! Any bytes, any status, any client: on record.

use anyhow::{Result, ensure};
use reqwest::{Client, Method};
use serde_json::json;
use testkit::{World, in_world};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{load::Load, metric};

/// Body sizes and contents that something between here and a table might not take.
fn bodies() -> Vec<Vec<u8>> {
    let mib = (0..1 << 20).map(|byte: u32| (byte.wrapping_mul(2_654_435_761) >> 24) as u8);
    vec![
        Vec::new(),
        b"\0".to_vec(),
        br#"{"cut":"\u0000"}"#.to_vec(),
        b"\xff\xfe\xc0\x80".to_vec(),
        vec![0; 1 << 20],
        mib.collect(),
    ]
}

/// No route took it: of a short text all is kept, of anything else here the digest.
async fn is_recorded(world: &World, id: &str, body: &[u8]) -> Result<()> {
    let row = format!(
        "SELECT length(request_body) AS length, request_body = sent AS is_whole, \
         request_digest = sha256(sent) || int8send(length(sent)) AS is_told \
         FROM traffic, (SELECT '\\x{}'::bytea AS sent) sent WHERE id = '{id}'",
        body.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    let rows = world.database.query(&row).await?;
    let expected = match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\0') => json!({"length": body.len(), "is_whole": true, "is_told": null}),
        _ => json!({"length": 0, "is_whole": false, "is_told": true}),
    };
    ensure!(
        rows == [expected.clone()],
        "{id} is on record as {rows:?}, not as {expected}"
    );
    Ok(())
}

#[tokio::test]
async fn bodies_of_any_bytes_are_on_record_and_spoil_no_transaction() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 8);
        for body in bodies() {
            let answer = Client::new()
                .post(format!("{url}/v1/predictions/{}", "ä/".repeat(1500)))
                .header("content-type", "application/json")
                .body(body.clone())
                .send()
                .await?;
            let id = answer.headers()["x-request-id"].to_str()?.to_owned();
            is_recorded(&world, &id, &body).await?;
        }
        drop(clients);
        assert_eq!(metric(&url, "lapidary_traffic_set_aside_total").await?, 0.0);
        assert_eq!(
            metric(&url, "lapidary_traffic_records_total{outcome=\"spooled\"}").await?,
            0.0
        );
        load.is_on_record(&world).await
    })
    .await
}

#[tokio::test]
async fn records_that_postgres_refuses_are_kept_in_files_and_spoil_no_others() -> Result<()> {
    in_world(|world| async move {
        let refuse = "ALTER TABLE traffic ADD CONSTRAINT refused CHECK (path <> '/refused')";
        world.database.execute(refuse).await?;
        let api = world.start("api", &[]).await?;
        let (url, load) = (api.address().await?, Load::default());
        let clients = load.start(&url, 8);
        for number in 1..=20 {
            let answer = reqwest::get(format!("{url}/refused")).await?;
            assert_eq!(answer.status(), 404);
            let id = answer.headers()["x-request-id"].to_str()?;
            let kept = std::fs::read(world.path("spool/0").join(format!("{id}.refused")))?;
            ensure!(String::from_utf8_lossy(&kept).contains("/refused"), "{kept:?}");
            let aside = metric(&url, "lapidary_traffic_set_aside_total").await?;
            assert_eq!(aside, f64::from(number));
        }
        drop(clients);
        load.is_on_record(&world).await
    })
    .await
}

#[tokio::test]
async fn every_status_is_on_record_with_its_bytes() -> Result<()> {
    in_world(|world| async move {
        let api = world
            .start("api", &[("LAPIDARY__API__BODY_LIMIT_BYTES", "2048")])
            .await?;
        let url = api.address().await?;
        let (json, text) = ("application/json", "text/plain");
        let requests = [
            (Method::GET, "/nothing", json, "", 404),
            (Method::DELETE, "/v1/predictions", json, "", 405),
            (Method::POST, "/v1/predictions", text, "{}", 415),
            (Method::POST, "/v1/predictions", json, "{", 400),
            (Method::POST, "/v1/predictions", json, "{}", 422),
            (Method::POST, "/v1/predictions", json, &"x".repeat(4096), 413),
            (Method::GET, "/v1/traffic", json, "", 401),
            (Method::GET, "/v1/models", json, "", 200),
        ];
        for (method, path, content_type, body, status) in requests {
            let sent = Client::new().request(method, format!("{url}{path}"));
            let sent = sent.header("content-type", content_type).body(body.to_owned());
            let answer = sent.send().await?;
            assert_eq!(answer.status().as_u16(), status, "{path}");
            let id = answer.headers()["x-request-id"].to_str()?.to_owned();
            let bytes = answer.text().await?;
            let row = format!(
                "SELECT status, path, convert_from(response_body, 'UTF8') AS body FROM traffic WHERE id = '{id}'"
            );
            let kept = if path == "/v1/traffic" { String::new() } else { bytes };
            assert_eq!(
                world.database.query(&row).await?,
                [json!({"status": status, "path": path, "body": kept})]
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_neither_the_handler_nor_the_record() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let address = api.address().await?;
        let release = world.database.begin().await?;
        release
            .execute("LOCK TABLE data_files IN ACCESS EXCLUSIVE MODE")
            .await?;
        let mut client = TcpStream::connect(address.trim_start_matches("http://")).await?;
        client
            .write_all(b"GET /v1/files HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await?;
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock' AND application_name = 'api'";
        world.becomes(waiting, 1).await?;
        // A reset, not an end: nothing more is wanted of this connection.
        client.set_zero_linger()?;
        drop(client);
        release.rollback().await?;
        world
            .becomes(
                "SELECT count(*) FROM traffic WHERE path = '/v1/files' AND status = 200",
                1,
            )
            .await
    })
    .await
}
