//! `api replay …`: the same answers again, and others.

use anyhow::Result;
use serde_json::json;
use testkit::in_world;

use super::{command, printed};
use crate::data::{System, diamonds, predict, serves};

#[tokio::test]
async fn a_recorded_prediction_is_made_again_to_the_byte_after_the_model_has_gone() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("first.csv", &diamonds(3000, 1))?;
        serves(&system.url, 1).await?;
        let diamond = json!({"carat": 1.0, "cut": "Good", "color": "E", "clarity": "VS1"});
        let answer = predict(&system.url, &diamond).await?.error_for_status()?;
        let id = answer.headers()["x-request-id"].to_str()?.to_owned();
        let bytes = answer.text().await?;
        world.drop_file("second.csv", &diamonds(4000, 2))?;
        serves(&system.url, 2).await?;

        let again = printed(&world, &["replay", "--request", &id]).await?;
        assert_eq!(again.trim_end(), bytes);
        // What was recorded is what is compared with.
        let other = "UPDATE traffic SET response_body = response_body || ' ' WHERE id = ";
        world.database.execute(&format!("{other}'{id}'")).await?;
        let differs = command(&world, &["replay", "--request", &id]).await?;
        assert!(!differs.status.success());
        assert!(String::from_utf8_lossy(&differs.stderr).contains("on record is another answer"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn recorded_similar_samples_come_again_from_the_dataset_version_of_their_moment() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("first.csv", &diamonds(3000, 1))?;
        serves(&system.url, 1).await?;
        let query = "carat=1.0&cut=Good&color=E&clarity=VS1&n=50";
        let similar = format!("{}/v1/diamonds/similar?{query}", system.url);
        let answer = reqwest::get(&similar).await?.error_for_status()?;
        let id = answer.headers()["x-request-id"].to_str()?.to_owned();
        let bytes = answer.text().await?;
        world.drop_file("second.csv", &diamonds(4000, 2))?;
        serves(&system.url, 2).await?;
        assert_ne!(
            reqwest::get(&similar).await?.text().await?,
            bytes,
            "there are more samples now"
        );

        let again = printed(&world, &["replay", "--request", &id]).await?;
        assert_eq!(again.trim_end(), bytes);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_model_tells_how_prices_would_have_moved() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("first.csv", &diamonds(3000, 1))?;
        serves(&system.url, 1).await?;
        let diamond = json!({"carat": 1.0, "cut": "Good", "color": "E", "clarity": "VS1"});
        for _ in 0..20 {
            predict(&system.url, &diamond).await?.error_for_status()?;
        }
        let since = ["--since", "2020-01-01T00:00:00Z"];
        let same = printed(&world, &[&["replay", "--model", "1"], &since[..]].concat()).await?;
        assert!(same.contains("0.00 dollars in the median, 0.00 at p95"), "{same}");
        assert_eq!(same.lines().count(), 11, "the ten largest moves: {same}");
        let none = printed(
            &world,
            &["replay", "--model", "1", "--since", "2100-01-01T00:00:00Z"],
        )
        .await?;
        assert!(none.starts_with("0 prices"), "{none}");
        let missing = command(&world, &["replay", "--model", "9"]).await?;
        assert!(!missing.status.success());
        Ok(())
    })
    .await
}

/// S20: one request that cannot be priced ended the whole replay.
#[tokio::test]
async fn what_a_model_cannot_price_is_told_and_the_rest_goes_on() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("first.csv", &diamonds(3000, 1))?;
        serves(&system.url, 1).await?;
        let diamond = json!({"carat": 1.0, "cut": "Good", "color": "E", "clarity": "VS1"});
        let mut ids = Vec::new();
        for _ in 0..5 {
            let answer = predict(&system.url, &diamond).await?.error_for_status()?;
            ids.push(answer.headers()["x-request-id"].to_str()?.to_owned());
        }
        let spoil = "UPDATE traffic SET request_body = '{\"carat\":-1}' WHERE id = ";
        world.database.execute(&format!("{spoil}'{}'", ids[0])).await?;
        let cut = "UPDATE traffic SET response_body = '{\"pri', response_digest = decode(repeat('00', 40), 'hex') WHERE id = ";
        world.database.execute(&format!("{cut}'{}'", ids[1])).await?;
        let priced = "SELECT count(*) FROM traffic WHERE path = '/v1/predictions' AND status = 200";
        let priced = world.database.number(priced).await? - 2;

        let replayed = command(&world, &["replay", "--model", "1"]).await?;
        let (told, wrong) = (String::from_utf8(replayed.stdout)?, String::from_utf8(replayed.stderr)?);
        assert!(told.starts_with(&format!("{priced} prices by model version 1")), "{told}");
        assert!(!replayed.status.success() && wrong.contains("2 requests have no price"), "{wrong}");
        assert!(wrong.contains(&ids[0]) && wrong.contains(&ids[1]), "{wrong}");
        Ok(())
    })
    .await
}
