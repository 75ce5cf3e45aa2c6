//! Operators choose the champion.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{in_world, until};

use super::{decide, get, post, two_models};
use crate::data::predict;

/// Waits until this model answers.
async fn answers(url: &str, version: u64) -> Result<()> {
    until(&format!("model {version}"), async || {
        let answer: Value = predict(url, &super::diamond()).await?.json().await?;
        Ok((answer["model"]["version"] == version).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_model_is_promoted_rolled_back_frozen_and_all_of_it_is_history() -> Result<()> {
    in_world(|world| async move {
        let system = two_models(&world).await?;
        let (url, key) = (format!("{}/v1/models", system.url), world.operator_key().await?);
        let before = get(&format!("{url}/champion")).await?;
        let first = before["version"].as_u64().unwrap();
        let other = 3 - first;
        let (status, champion) = decide(&format!("{url}/{other}/promote"), &key).await?;
        assert_eq!((status, &champion["version"]), (200, &json!(other)), "{champion}");
        assert_eq!(
            (&champion["promoted_by"], &champion["reason"]),
            (&json!("test"), &json!("a test"))
        );
        answers(&system.url, other).await?;
        assert_eq!(decide(&format!("{url}/{other}/promote"), &key).await?.0, 409);
        assert_eq!(decide(&format!("{url}/17/promote"), &key).await?.0, 404);

        let (status, champion) = decide(&format!("{url}/rollback"), &key).await?;
        assert_eq!(
            (status, &champion["version"], &champion["frozen"]),
            (200, &json!(first), &json!(true))
        );
        answers(&system.url, first).await?;
        let (_, champion) = decide(&format!("{url}/unfreeze"), &key).await?;
        assert_eq!(champion["frozen"], false);
        let (_, champion) = decide(&format!("{url}/freeze"), &key).await?;
        assert_eq!(champion["frozen"], true);

        let promotions = get(&format!("{}/v1/promotions", system.url)).await?;
        let newest: Vec<_> = promotions["items"]
            .as_array()
            .unwrap()
            .iter()
            .take(2)
            .map(|p| &p["action"])
            .collect();
        assert_eq!(newest, ["rollback", "promote"]);
        let at = before["promoted_at"].as_str().unwrap();
        let then = get(&format!("{url}/champion?at={at}")).await?;
        assert_eq!(then["promotion"], before["promotion"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_model_that_cannot_be_served_is_not_promoted() -> Result<()> {
    in_world(|world| async move {
        let system = two_models(&world).await?;
        let (url, key) = (format!("{}/v1/models", system.url), world.operator_key().await?);
        let champion = get(&format!("{url}/champion")).await?["version"]
            .as_u64()
            .unwrap();
        let other = get(&format!("{url}/{}", 3 - champion)).await?;
        let digest = other["artifact"]["sha256"].as_str().unwrap();
        let artifact = world
            .path("store/artifacts")
            .join(&digest[..2])
            .join(format!("{digest}.json"));
        let whole = std::fs::read(&artifact)?;
        let promote = format!("{url}/{}/promote", 3 - champion);
        std::fs::write(&artifact, &whole[1..])?;
        let (status, problem) = decide(&promote, &key).await?;
        assert_eq!(status, 409, "{problem}");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("its artifact is damaged"),
            "{problem}"
        );
        std::fs::remove_file(&artifact)?;
        let (status, problem) = decide(&promote, &key).await?;
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains("missing"),
            "{problem}"
        );
        std::fs::write(&artifact, &whole)?;
        let batches = world.path("store/batches");
        let hidden = world.path("store/hidden");
        std::fs::rename(&batches, &hidden)?;
        let (status, problem) = decide(&promote, &key).await?;
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains("gone"),
            "{problem}"
        );
        std::fs::rename(&hidden, &batches)?;
        assert_eq!(decide(&promote, &key).await?.0, 200);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn model_and_samples_can_be_downloaded_whole() -> Result<()> {
    in_world(|world| async move {
        let system = two_models(&world).await?;
        let key = world.operator_key().await?;
        let download = async |path: &str| {
            let request = reqwest::Client::new().get(format!("{}{path}", system.url));
            anyhow::Ok(
                request
                    .bearer_auth(&key)
                    .send()
                    .await?
                    .error_for_status()?
                    .bytes()
                    .await?,
            )
        };
        let model: Value = serde_json::from_slice(&download("/v1/models/1/artifact").await?)?;
        assert!(model["intercept"].is_number(), "{model}");
        let parquet = download("/v1/datasets/2/parquet").await?;
        let rows = storage::batch::read(parquet.to_vec())?.len();
        let dataset = get(&format!("{}/v1/datasets/2", system.url)).await?;
        assert_eq!(dataset["rows"], rows);
        let wrong = post(&format!("{}/v1/datasets/2/parquet", system.url), "{}").bearer_auth(&key);
        assert_eq!(wrong.send().await?.status().as_u16(), 405);
        Ok(())
    })
    .await
}
