//! Starting and serving with both servers away.

use anyhow::Result;
use serde_json::Value;
use testkit::{Proxy, World, in_world, until};

use super::{DIAMOND, get, post, served};
use crate::data::predict;

/// Waits until the model that is served is on disk, which it is a moment after it serves.
async fn model_is_kept(world: &World) -> Result<()> {
    let reference = world.path("cache/champion.json");
    until("the model on disk", async || Ok(reference.exists().then_some(()))).await
}

/// Waits until the hashes of keys are on disk.
async fn keys_are_kept(world: &World) -> Result<()> {
    until("the keys on disk", async || {
        let keys = std::fs::read_to_string(world.path("cache/keys.json")).unwrap_or_default();
        Ok(keys.contains("operator").then_some(()))
    })
    .await
}

/// Asks a route that needs the registry.
async fn registry(url: &str, key: &str) -> reqwest::Result<reqwest::Response> {
    let request = reqwest::Client::new().get(format!("{url}/v1/models"));
    request.bearer_auth(key).send().await
}

/// Ready to serve, and says what is missing.
async fn is_degraded(url: &str) -> Result<()> {
    let ready = reqwest::get(format!("{url}/readyz")).await?;
    assert_eq!(ready.status().as_u16(), 200);
    let ready: Value = ready.json().await?;
    assert_eq!(
        (&ready["status"], &ready["components"]["model"]["state"]),
        (&"degraded".into(), &"up".into()),
        "{ready}"
    );
    assert_eq!(ready["components"]["postgres"]["state"], "down");
    Ok(())
}

#[tokio::test]
async fn the_api_starts_and_serves_with_both_servers_away() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let key = world.operator_key().await?;
        let before: Value = predict(&system.url, &super::diamond()).await?.json().await?;
        let similar = "/v1/diamonds/similar?carat=1&cut=Ideal&color=H&clarity=SI2";
        let samples = get(&format!("{}{similar}", system.url)).await?;
        model_is_kept(&world).await?;
        keys_are_kept(&world).await?;
        drop(system);

        let (postgres, broker) = (
            Proxy::start(world.database.url()).await?,
            Proxy::start(&world.vhost.url()).await?,
        );
        postgres.cut().await;
        broker.cut().await;
        let (postgres_url, broker_url) = (postgres.url(), broker.url());
        let away = [
            ("LAPIDARY__POSTGRES__URL", postgres_url.as_str()),
            ("LAPIDARY__RABBITMQ__URL", broker_url.as_str()),
            ("LAPIDARY__API__REQUIRE_KEY", "true"),
        ];
        let api = world.start("api", &away).await?;
        let url = api.address().await?;
        let ask = || post(&format!("{url}/v1/predictions"), DIAMOND);
        let answer = ask().bearer_auth(&key).send().await?.error_for_status()?;
        let after: Value = answer.json().await?;
        assert_eq!(
            (&after["price"], &after["model"]),
            (&before["price"], &before["model"])
        );
        let request = reqwest::Client::new()
            .get(format!("{url}{similar}"))
            .bearer_auth(&key);
        assert_eq!(request.send().await?.json::<Value>().await?, samples);
        assert_eq!(
            ask().send().await?.status().as_u16(),
            401,
            "keys are still asked for"
        );
        let refused = registry(&url, &key).await?;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (503, &"2".parse()?)
        );
        is_degraded(&url).await?;

        postgres.restore();
        broker.restore();
        until("the registry", async || {
            let answer = registry(&url, &key).await?;
            Ok((answer.status().as_u16() == 200).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_kept_model_that_is_damaged_is_not_served() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        model_is_kept(&world).await?;
        drop(system);
        for entry in std::fs::read_dir(world.path("cache"))? {
            let path = entry?.path();
            if path.to_string_lossy().contains("artifact-") {
                let mut bytes = std::fs::read(&path)?;
                bytes.push(b' ');
                std::fs::write(&path, bytes)?;
            }
        }
        let away = [("LAPIDARY__POSTGRES__URL", "postgres://nobody@127.0.0.1:1/none")];
        let api = world.start("api", &away).await?;
        api.logged("the kept model cannot be used; waiting for the registry's")
            .await?;
        let answer = predict(&api.address().await?, &super::diamond()).await?;
        assert_eq!(answer.status().as_u16(), 503);
        Ok(())
    })
    .await
}
