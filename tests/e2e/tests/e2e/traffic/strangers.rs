//! What strangers pour in: bounded on record, without secrets, and nobody waits for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use testkit::{Process, World, in_world, until};
use tokio::task::JoinSet;

use super::metric;

const JSON: &str = "application/json";
/// What is kept of a body that no route took.
const PREFIX: usize = 1024;

/// Sends this without a key.
async fn send(url: &str, content_type: &str, body: Vec<u8>) -> Result<Response> {
    let sent = Client::new().post(url).header("content-type", content_type);
    Ok(sent.body(body).send().await?)
}

fn id_of(answer: &Response) -> Result<String> {
    Ok(answer.headers()["x-request-id"].to_str()?.to_owned())
}

/// A record, as operators see it.
async fn record(key: &str, url: &str, id: &str) -> Result<Value> {
    let shown = Client::new()
        .get(format!("{url}/v1/traffic/{id}"))
        .bearer_auth(key);
    Ok(shown.send().await?.error_for_status()?.json().await?)
}

async fn started(world: &World, settings: &[(&str, &str)]) -> Result<(Process, String)> {
    let api = world.start("api", settings).await?;
    let url = api.address().await?;
    Ok((api, url))
}

/// S1: a body full of what begins like keys silenced everything for a minute.
#[tokio::test]
async fn nobody_waits_for_a_body_full_of_keys() -> Result<()> {
    in_world(|world| async move {
        let (_api, url) = started(&world, &[]).await?;
        let key = world.operator_key().await?;
        let bomb = b"lap_cl_ ".repeat(520_000);
        let predictions = format!("{url}/v1/predictions");
        let mut bombs: Vec<_> = (0..4)
            .map(|_| {
                tokio::spawn({
                    let (url, bomb) = (predictions.clone(), bomb.clone());
                    async move { send(&url, "text/plain", bomb).await }
                })
            })
            .collect();
        let impatient = Client::builder().timeout(Duration::from_secs(10)).build()?;
        while bombs.iter().any(|bomb| !bomb.is_finished()) {
            let answer = impatient.get(format!("{url}/healthz")).send().await?;
            ensure!(answer.status() == 200, "{answer:?}");
        }
        for bomb in &mut bombs {
            let answer = bomb.await??;
            assert_eq!(answer.status(), 415);
            let shown = record(&key, &url, &id_of(&answer)?).await?;
            assert_eq!(shown["request_body"]["bytes"], 520_000 * 8, "{shown}");
        }
        Ok(())
    })
    .await
}

/// Bytes that no server can guess, and none of them a zero.
fn random_text(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 24) as u8 % 26
    };
    std::iter::repeat_with(byte).take(length).collect()
}

/// S2: anybody could fill the disk.
#[tokio::test]
async fn bodies_that_no_route_took_leave_a_beginning_and_a_digest() -> Result<()> {
    in_world(|world| async move {
        let key = world.operator_key().await?;
        for settings in [&[][..], &[("LAPIDARY__API__REQUIRE_KEY", "true")]] {
            let (api, url) = started(&world, settings).await?;
            let body = random_text(4 << 20);
            for path in ["/x", "/v1/predictions", "/v1/models"] {
                let answer = send(&format!("{url}{path}"), "text/plain", body.clone()).await?;
                ensure!(answer.status().is_client_error(), "{answer:?}");
                let shown = record(&key, &url, &id_of(&answer)?).await?;
                let kept = &shown["request_body"];
                assert_eq!(kept["bytes"], 4 << 20, "{path}");
                assert_eq!(kept["sha256"].as_str().map(str::len), Some(64));
                assert_eq!(kept["kept"].as_str(), Some(std::str::from_utf8(&body[..PREFIX])?));
            }
            api.crash().await?;
        }
        let kept = "SELECT sum(length(request_body))::bigint FROM traffic";
        assert_eq!(world.database.number(kept).await?, 6 * PREFIX as i64);
        Ok(())
    })
    .await
}

/// S2: what is taken is counted too.
#[tokio::test]
async fn an_address_that_has_used_up_its_budget_leaves_beginnings() -> Result<()> {
    in_world(|world| async move {
        let settings = [
            ("LAPIDARY__API__LIMIT_LOOPBACK", "true"),
            ("LAPIDARY__TRAFFIC__ADDRESS_BYTES_PER_MINUTE", "10000"),
        ];
        let (_api, url) = started(&world, &settings).await?;
        let path = format!("{url}/{}", "p".repeat(1900));
        for _ in 0..8 {
            reqwest::get(&path).await?;
        }
        let long = "SELECT count(*) FROM traffic WHERE length(path) = 1901 AND shortened IS NULL";
        let long = world.database.number(long).await?;
        let short = "SELECT count(*) FROM traffic WHERE length(path) = 256 AND shortened LIKE 'path %'";
        let short = world.database.number(short).await?;
        // Some of the budget comes back meanwhile.
        assert!(long >= 4 && short >= 1 && long + short == 8, "{long} and {short}");
        assert_eq!(
            metric(&url, "lapidary_traffic_beyond_budget_total").await?,
            short as f64
        );
        Ok(())
    })
    .await
}

/// S8: refused requests with large heads filled the table, or the spool within a second.
#[tokio::test]
async fn a_flood_of_refusals_is_a_record_a_second_and_none_is_forgotten() -> Result<()> {
    in_world(|world| async move {
        let settings = [
            ("LAPIDARY__API__LIMIT_LOOPBACK", "true"),
            ("LAPIDARY__API__ADDRESS_RATE", "1"),
        ];
        let (_api, url) = started(&world, &settings).await?;
        let key = world.operator_key().await?;
        let began = std::time::Instant::now();
        let (client, flooded) = (Client::new(), format!("{url}/v1/models?{}", "q".repeat(30_000)));
        let agent = "a".repeat(20_000);
        let mut refused = 0;
        for _ in 0..20 {
            let requests: JoinSet<_> = (0..10)
                .map(|_| client.get(&flooded).header("user-agent", &agent).send())
                .collect();
            for answer in requests.join_all().await {
                refused += i64::from(answer?.status() == 429);
            }
        }
        ensure!(refused > 150, "{refused} were refused");
        let stood_for =
            "SELECT coalesce(sum(1 + coalesce(repeats, 0)), 0)::bigint FROM traffic WHERE status = 429";
        world.becomes(stood_for, refused).await?;
        let records = world
            .database
            .number("SELECT count(*) FROM traffic WHERE status = 429")
            .await?;
        let seconds = i64::try_from(began.elapsed().as_secs())? + 1;
        ensure!(records <= 2 * seconds, "{records} records in {seconds} s");
        let largest = "SELECT max(pg_column_size(traffic.*))::bigint FROM traffic";
        ensure!(world.database.number(largest).await? < 16 << 10);
        let all = world
            .database
            .number("SELECT sum(1 + coalesce(repeats, 0))::bigint FROM traffic")
            .await?;
        let answered = metric(&url, "lapidary_traffic_answered_total").await?;
        assert_eq!(answered, all as f64);
        let stood_for = "SELECT id::text AS id, repeats FROM traffic WHERE repeats > 0 LIMIT 1";
        let row = world.database.query(stood_for).await?.remove(0);
        let shown = record(&key, &url, row["id"].as_str().unwrap_or_default()).await?;
        assert_eq!(shown["repeats"], row["repeats"]);
        let fields = shown["shortened"].as_array().into_iter().flatten();
        let fields: Vec<_> = fields.map(|it| (&it["field"], &it["bytes"])).collect();
        assert_eq!(
            fields,
            [
                (&json!("query"), &json!(30_000)),
                (&json!("request_headers.user-agent"), &json!(20_000))
            ]
        );
        Ok(())
    })
    .await
}

/// S8: at a stop, what is only counted goes on record.
#[tokio::test]
async fn refusals_that_are_counted_are_on_record_after_a_stop() -> Result<()> {
    in_world(|world| async move {
        let settings = [
            ("LAPIDARY__API__LIMIT_LOOPBACK", "true"),
            ("LAPIDARY__API__ADDRESS_RATE", "1"),
        ];
        let (mut api, url) = started(&world, &settings).await?;
        let client = Client::new();
        let requests: JoinSet<_> = (0..50)
            .map(|_| client.get(format!("{url}/v1/models")).send())
            .collect();
        let answers = requests.join_all().await;
        let refused = answers
            .into_iter()
            .filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 429))
            .count();
        api.signal(testkit::Signal::SIGTERM)?;
        ensure!(api.ended().await?, "it did not end in order");
        let stood_for =
            "SELECT coalesce(sum(1 + coalesce(repeats, 0)), 0)::bigint FROM traffic WHERE status = 429";
        assert_eq!(world.database.number(stood_for).await?, i64::try_from(refused)?);
        Ok(())
    })
    .await
}

/// S11: each of these was stored in clear.
#[tokio::test]
async fn a_key_is_on_record_in_no_way_of_writing_it() -> Result<()> {
    in_world(|world| async move {
        let (_api, url) = started(&world, &[]).await?;
        let secret = "00112233445566778899aabbccddeeff";
        let paths = [
            format!("/x/lap%5Fop%5F{secret}"),
            format!("/v1/models?key=lap%5Fop%5F{secret}"),
            format!("/v1/models?limit=lap%255Fop%255F{secret}"),
            format!("/v1/models?limit=lap_op_{secret}"),
        ];
        for path in paths {
            reqwest::get(format!("{url}{path}")).await?;
        }
        let escaped = format!(r#"{{"cut":"lap\u005fop\u005f{secret}"}}"#);
        let wide: Vec<u8> = format!("lap_op_{secret}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let form = format!("pin={secret}").into_bytes();
        let part = format!("--x\r\ncontent-disposition: form-data; name=a\r\n\r\n{secret}\r\n--x--\r\n");
        let dashed = format!(r#"{{"cut":"lap_cl_x-{secret}.{secret}"}}"#);
        for (content_type, body) in [
            (JSON, escaped.into_bytes()),
            (JSON, wide),
            (JSON, dashed.into_bytes()),
            ("Application/X-WWW-Form-Urlencoded ; charset=utf-8", form),
            ("multipart/form-data; boundary=x", part.into_bytes()),
        ] {
            send(&format!("{url}/v1/predictions"), content_type, body).await?;
        }
        assert_eq!(world.database.number("SELECT count(*) FROM traffic").await?, 9);
        let wide: String = secret
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let narrow: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for hexadecimal in [wide, narrow] {
            let kept = format!(
                "SELECT count(*) FROM traffic WHERE encode(request_body, 'hex') LIKE '%{hexadecimal}%' \
                 OR encode(response_body, 'hex') LIKE '%{hexadecimal}%'"
            );
            assert_eq!(world.database.number(&kept).await?, 0);
        }
        let kept =
            format!("SELECT count(*) FROM traffic WHERE concat(path, query, headers) LIKE '%{secret}%'");
        assert_eq!(world.database.number(&kept).await?, 0);
        Ok(())
    })
    .await
}

/// S17: what was never sent is not on record.
#[tokio::test]
async fn head_is_answered_and_recorded_without_a_body() -> Result<()> {
    in_world(|world| async move {
        let (_api, url) = started(&world, &[]).await?;
        let key = world.operator_key().await?;
        let models = format!("{url}/v1/models");
        let got = reqwest::get(&models).await?;
        let length = got.headers()["content-length"].clone();
        for (path, status, length) in [("/v1/models", 200, Some(length)), ("/nothing", 404, None)] {
            let head = Client::new()
                .request(Method::HEAD, format!("{url}{path}"))
                .send()
                .await?;
            assert_eq!(head.status(), status);
            if let Some(length) = length {
                assert_eq!(head.headers()["content-length"], length);
            }
            let shown = record(&key, &url, &id_of(&head)?).await?;
            assert_eq!(
                (&shown["method"], &shown["status"], &shown["response_body"]),
                (&json!("HEAD"), &json!(status), &json!(""))
            );
        }
        let stream = Client::new()
            .request(Method::HEAD, format!("{url}/v1/events/stream"))
            .send();
        assert_eq!(id_of(&stream.await?)?.len(), 36);
        until("the stream's head to be on record", async || {
            let rows = "SELECT count(*) FROM traffic WHERE path = '/v1/events/stream' AND method = 'HEAD'";
            Ok((world.database.number(rows).await? == 1).then_some(()))
        })
        .await
    })
    .await
}
