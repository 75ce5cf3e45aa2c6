//! Prices and similar samples.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::in_world;

use super::{DIAMOND, diamond, get, post, served};

#[tokio::test]
async fn a_batch_has_the_price_that_each_diamond_has_alone() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let one = post(&format!("{}/v1/predictions", system.url), DIAMOND)
            .send()
            .await?;
        let (version, one): (_, Value) = (one.headers()["x-model-version"].clone(), one.json().await?);
        let other = json!({"carat": 0.4, "cut": "Fair", "color": "D", "clarity": "IF", "x": 4.7});
        let batch = json!({"diamonds": [diamond(), other, diamond()]});
        let many = post(
            &format!("{}/v1/predictions/batch", system.url),
            &batch.to_string(),
        )
        .send()
        .await?;
        assert_eq!(many.headers()["x-model-version"], version);
        let many: Value = many.json().await?;
        let prices: Vec<_> = many["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| &p["price"])
            .collect();
        assert_eq!(prices.len(), 3);
        assert_eq!((prices[0], prices[2]), (&one["price"], &one["price"]));
        assert_ne!(prices[1], &one["price"]);
        assert_eq!(many["model"], one["model"]);
        assert_eq!(one["currency"], "USD");
        assert!(
            one["range"].is_object() != one["range_reason"].is_string(),
            "{one}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_largest_batch_is_answered_and_a_larger_one_is_told_the_limit() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let url = format!("{}/v1/predictions/batch", system.url);
        let batch = |n: usize| json!({"diamonds": vec![diamond(); n]}).to_string();
        let answer: Value = post(&url, &batch(10_000)).send().await?.json().await?;
        assert_eq!(answer["predictions"].as_array().unwrap().len(), 10_000);
        let refused = post(&url, &batch(10_001)).send().await?;
        assert_eq!(refused.status().as_u16(), 422);
        assert!(refused.text().await?.contains("holds 10001"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn similar_samples_are_the_nearest_of_the_dataset() -> Result<()> {
    in_world(|world| async move {
        let system = served(&world).await?;
        let query = "carat=1&cut=Ideal&color=H&clarity=SI2&n=1000";
        let all = get(&format!("{}/v1/diamonds/similar?{query}", system.url)).await?;
        let samples = all["samples"].as_array().unwrap();
        assert_eq!(all["matching"], samples.len());
        let carat = |sample: &Value| sample["carat"].as_f64().unwrap();
        let far = |sample: &Value| ((carat(sample) - 1.0).abs(), carat(sample));
        assert!(samples.is_sorted_by(|a, b| far(a) <= far(b)), "{all}");
        let some = get(&format!(
            "{}/v1/diamonds/similar?{}",
            system.url,
            query.replace("1000", "1")
        ))
        .await?;
        assert_eq!(some["samples"].as_array().unwrap(), &samples[..1]);
        assert_eq!(some["matching"], all["matching"]);
        Ok(())
    })
    .await
}
