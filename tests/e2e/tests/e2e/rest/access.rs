//! Who gets in, and how often.

use anyhow::Result;
use reqwest::{Client, Method, Response};
use testkit::{World, in_world, until};

use super::{DIAMOND, post, problem};
use crate::data::{System, diamonds};

async fn client_key(world: &World) -> Result<String> {
    let key = "lap_cl_0123456789abcdef0123456789abcdef";
    let statement = format!(
        "INSERT INTO api_keys VALUES (gen_random_uuid(), 'web', 'client', sha256('{key}'), now(), NULL)"
    );
    world.database.execute(&statement).await?;
    Ok(key.to_owned())
}

async fn ask(url: &str, key: Option<&str>) -> Result<Response> {
    let mut request = post(&format!("{url}/v1/predictions"), DIAMOND);
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    Ok(request.send().await?)
}

#[tokio::test]
async fn where_keys_are_required_nobody_gets_in_without_one() -> Result<()> {
    in_world(|world| async move {
        let settings = [
            ("LAPIDARY__API__REQUIRE_KEY", "true"),
            ("LAPIDARY__API__KEYS_INTERVAL_MS", "20"),
        ];
        let api = world.start("api", &settings).await?;
        let url = api.address().await?;
        let key = client_key(&world).await?;
        // Without a model, whoever gets in is told so.
        until("the registry", async || {
            Ok((ask(&url, Some(&key))
                .await?
                .text()
                .await?
                .contains("drop a data file"))
            .then_some(()))
        })
        .await?;
        for wrong in [None, Some("lap_cl_wrong")] {
            let answer = ask(&url, wrong).await?;
            assert_eq!(answer.status().as_u16(), 401);
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            assert!(
                problem(answer).await?["detail"]
                    .as_str()
                    .unwrap()
                    .contains("Authorization: Bearer KEY")
            );
        }
        for open in ["/healthz", "/docs/", "/openapi.json"] {
            assert_eq!(
                reqwest::get(format!("{url}{open}")).await?.status().as_u16(),
                200,
                "{open}"
            );
        }
        world
            .database
            .execute("UPDATE api_keys SET revoked_at = now()")
            .await?;
        until("the revoked key to be refused", async || {
            Ok((ask(&url, Some(&key)).await?.status().as_u16() == 401).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test]
async fn one_request_too_many_is_told_when_to_come_again() -> Result<()> {
    in_world(|world| async move {
        let settings = [
            ("LAPIDARY__API__ADDRESS_RATE", "1"),
            ("LAPIDARY__API__KEY_RATE", "1000"),
            ("LAPIDARY__API__LIMIT_LOOPBACK", "true"),
        ];
        let api = world.start("api", &settings).await?;
        let url = api.address().await?;
        let refused = until("a refusal", async || {
            let answer = ask(&url, None).await?;
            Ok((answer.status().as_u16() == 429).then_some(answer))
        })
        .await?;
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(refused.headers()["ratelimit-policy"], "\"address\";q=1;w=1");
        assert_eq!(refused.headers()["ratelimit"], "\"address\";r=0;t=1");
        assert!(
            problem(refused).await?["detail"]
                .as_str()
                .unwrap()
                .contains("more than 1 requests a second")
        );
        assert_eq!(
            reqwest::get(format!("{url}/healthz")).await?.status().as_u16(),
            200
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pages_of_named_origins_may_call_and_read_their_errors_and_no_others() -> Result<()> {
    in_world(|world| async move {
        let shop = "https://shop.example";
        let api = world
            .start("api", &[("LAPIDARY__API__CORS_ORIGINS", shop)])
            .await?;
        let url = format!("{}/v1/predictions", api.address().await?);
        let asked = Client::new()
            .request(Method::OPTIONS, &url)
            .header("origin", shop);
        let asked = asked
            .header("access-control-request-method", "POST")
            .send()
            .await?;
        assert_eq!(asked.status().as_u16(), 204);
        assert_eq!(asked.headers()["access-control-allow-origin"], shop);
        assert!(
            asked.headers()["access-control-allow-headers"]
                .to_str()?
                .contains("authorization")
        );
        for body in ["{", DIAMOND, &" ".repeat(5 << 20)] {
            let error = post(&url, body).header("origin", shop).send().await?;
            assert_eq!(
                error.headers()["access-control-allow-origin"],
                shop,
                "{}",
                error.status()
            );
            assert!(
                error.headers()["access-control-expose-headers"]
                    .to_str()?
                    .contains("x-request-id")
            );
        }
        let other = post(&url, "{")
            .header("origin", "https://evil.example")
            .send()
            .await?;
        assert!(!other.headers().contains_key("access-control-allow-origin"));
        assert_eq!(other.headers()["vary"], "origin");
        assert_eq!(other.headers()["x-content-type-options"], "nosniff");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn lists_go_on_where_they_ended_and_are_filtered() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        for seed in 1..=3 {
            world.drop_file(&format!("{seed}.csv"), &diamonds(600, seed))?;
            world
                .becomes("SELECT count(*) FROM models", i64::from(seed))
                .await?;
        }
        for list in ["files", "datasets", "runs", "models", "promotions", "events"] {
            let url = format!("{}/v1/{list}", system.url);
            let whole = super::get(&format!("{url}?limit=1000")).await?;
            let (mut parts, mut cursor) = (Vec::new(), String::new());
            loop {
                let part = super::get(&format!("{url}?limit=2{cursor}")).await?;
                parts.extend(part["items"].as_array().unwrap().clone());
                let Some(next) = part["next_cursor"].as_str() else {
                    break;
                };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(&parts, whole["items"].as_array().unwrap(), "{list}");
            assert!(!parts.is_empty(), "{list}");
            let none = super::get(&format!("{url}?until=2000-01-01T00:00:00Z")).await?;
            assert_eq!(none["items"], serde_json::json!([]), "{list}");
        }
        let count = async |query: &str| {
            let list = super::get(&format!("{}/v1/{query}", system.url)).await?;
            anyhow::Ok(list["items"].as_array().unwrap().len())
        };
        assert_eq!(count("models?dataset_version=2&kind=linear").await?, 1);
        assert_eq!(count("runs?status=succeeded").await?, 3);
        assert_eq!(count("runs?status=failed").await?, 0);
        assert_eq!(count("files?status=accepted&limit=2").await?, 2);
        assert_eq!(count("events?type=dataset.ready").await?, 3);
        assert_eq!(count("promotions?model_version=1").await?, 1);
        Ok(())
    })
    .await
}
