//! The whole path: a file in, a served price out, everything on record.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{World, in_world};

use crate::data::{CLARITIES, COLORS, CUTS, HEADER, System, challenge, diamonds, get, predict, serves};

#[tokio::test]
async fn a_dropped_file_becomes_a_served_price_for_every_combination_of_grades() -> Result<()> {
    let Some((csv, reference)) = challenge() else {
        return Ok(());
    };
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("diamonds.csv", &csv)?;
        serves(&system.url, 1).await?;

        let report = world.report("accepted", "diamonds.csv").await?;
        assert_eq!(
            (&report["rows_read"], &report["rows_accepted"]),
            (&json!(5000), &json!(4989))
        );
        assert_eq!(rejected_lines(&world)?, lines(&reference["rejected_lines"]));
        let served = get(&format!(
            "{}/v1/files/{}",
            system.url,
            report["sha256"].as_str().unwrap()
        ))
        .await?;
        assert_eq!(served, report, "the report beside the file is the API's answer");
        for (table, rows) in [
            ("datasets", 1),
            ("training_runs", 1),
            ("models", 1),
            ("promotions", 1),
        ] {
            assert_eq!(
                world
                    .database
                    .number(&format!("SELECT count(*) FROM {table}"))
                    .await?,
                rows,
                "{table}"
            );
        }
        every_combination_has_a_price(&system.url).await
    })
    .await
}

fn rejected_lines(world: &World) -> Result<Vec<u64>> {
    let text = std::fs::read_to_string(world.path("inbox/accepted/diamonds.csv.rejected.csv"))?;
    Ok(text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next()?.parse().ok())
        .collect())
}

fn lines(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect()
}

async fn every_combination_has_a_price(url: &str) -> Result<()> {
    for cut in CUTS {
        for color in COLORS {
            for clarity in CLARITIES {
                let diamond = json!({"carat": 0.9, "cut": cut, "color": color, "clarity": clarity});
                let answer = predict(url, &diamond).await?;
                let body: Value = answer.error_for_status()?.json().await?;
                ensure!(
                    body["price"].as_f64().is_some_and(|price| price > 0.0),
                    "{diamond}: {body}"
                );
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_second_file_moves_the_model_on_while_every_request_is_answered_and_recorded() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("first.csv", &diamonds(3000, 1))?;
        serves(&system.url, 1).await?;

        let url = system.url.clone();
        let client = tokio::spawn(async move { ask_until_version(&url, 2).await });
        world.drop_file("second.csv", &diamonds(4000, 2))?;
        let answers = client.await??;

        let first = answers.iter().filter(|answer| answer.1 == "1").count();
        ensure!(
            first > 0 && first < answers.len(),
            "both models answered: {first} of {}",
            answers.len()
        );
        for (id, version, body) in &answers {
            let query = format!(
                "SELECT status, model_version::text AS version, convert_from(response_body, 'UTF8') AS body \
                 FROM traffic WHERE id = '{id}'"
            );
            assert_eq!(
                world.database.query(&query).await?,
                [json!({"status": 200, "version": version, "body": body})]
            );
        }
        Ok(())
    })
    .await
}

/// Asks again and again until a model of that dataset version answers; id, model version and body of each answer.
async fn ask_until_version(url: &str, dataset_version: u64) -> Result<Vec<(String, String, String)>> {
    let diamond = json!({"carat": 1.0, "cut": "Good", "color": "E", "clarity": "VS1"});
    let mut answers = Vec::new();
    loop {
        let answer = predict(url, &diamond).await?.error_for_status()?;
        let header = |name: &str| answer.headers()[name].to_str().map(ToOwned::to_owned);
        let (id, version) = (header("x-request-id")?, header("x-model-version")?);
        let body = answer.text().await?;
        let json: Value = serde_json::from_str(&body)?;
        answers.push((id, version, body));
        if json["model"]["dataset_version"] == dataset_version {
            return Ok(answers);
        }
    }
}

#[tokio::test]
async fn before_any_model_the_api_says_what_to_do_and_records_it() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let url = api.address().await?;
        let answer = predict(
            &url,
            &json!({"carat": 1, "cut": "Ideal", "color": "H", "clarity": "SI1"}),
        )
        .await?;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (503, &"application/problem+json".parse()?)
        );
        assert!(answer.headers().contains_key("retry-after"));
        let body: Value = answer.json().await?;
        assert!(
            body["detail"].as_str().unwrap().contains("drop a data file"),
            "{body}"
        );
        assert_eq!(
            world
                .database
                .number("SELECT count(*) FROM traffic WHERE status = 503")
                .await?,
            1
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() -> Result<()> {
    in_world(|world| async move {
        let api = world.start("api", &[]).await?;
        let url = api.address().await?;
        let answer = predict(
            &url,
            &json!({"carat": -1, "cut": "ideal plus", "color": "H", "clarity": "SI1"}),
        )
        .await?;
        assert_eq!(answer.status().as_u16(), 422);
        let body: Value = answer.json().await?;
        let errors: Vec<_> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(errors, ["/carat", "/cut"]);
        assert!(
            body.to_string()
                .contains("use one of Fair, Good, Very Good, Premium, Ideal"),
            "{body}"
        );
        let status =
            async |path: &str| anyhow::Ok(reqwest::get(format!("{url}{path}")).await?.status().as_u16());
        assert_eq!(status("/v1/nothing").await?, 404);
        assert_eq!(status("/v1/predictions").await?, 405);
        assert_eq!(status("/v1/models/0").await?, 404);
        assert_eq!(status("/v1/models?limit=many").await?, 422);
        assert_eq!(world.database.number("SELECT count(*) FROM traffic").await?, 5);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_useless_file_is_rejected_with_its_reason_and_makes_no_version() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        world.drop_file("half.csv", b"carat,cut\n1,Ideal\n")?;
        world.drop_file(
            "bad.csv",
            format!("{HEADER}1,Best,H,SI1,60,55,100,5,5,3\n").as_bytes(),
        )?;
        let report = world.report("rejected", "half.csv").await?;
        assert!(
            report["rejection"].as_str().unwrap().contains("lacks color"),
            "{report}"
        );
        let report = world.report("rejected", "bad.csv").await?;
        assert_eq!(report["reasons"][0]["lines"], json!([2]));
        assert_eq!(world.database.number("SELECT count(*) FROM datasets").await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_same_content_counts_once_however_often_it_is_dropped() -> Result<()> {
    in_world(|world| async move {
        let _ingest = world.start("ingest", &[]).await?;
        let rows = diamonds(60, 1);
        world.drop_file("a.csv", &rows)?;
        world.report("accepted", "a.csv").await?;
        world.drop_file("b.csv", &rows)?;
        let report = world.report("accepted", "b.csv").await?;
        assert_eq!(report["dataset_version"], 1);
        let mut more = rows.clone();
        more.extend(b"0.7,Good,E,VS1,60,55,2000,5.5,5.5,3.4\n");
        world.drop_file("c.csv", &more)?;
        let report = world.report("accepted", "c.csv").await?;
        assert_eq!(report["dataset_version"], 2);
        let first = world
            .database
            .number("SELECT rows FROM datasets WHERE version = 1")
            .await?;
        assert_eq!(
            world
                .database
                .number("SELECT rows FROM datasets WHERE version = 2")
                .await?,
            first + 1
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn too_few_rows_are_a_failed_run_that_says_so() -> Result<()> {
    in_world(|world| async move {
        let system = System::start(&world).await?;
        world.drop_file("few.csv", &diamonds(10, 1))?;
        world
            .becomes("SELECT count(*) FROM training_runs WHERE status = 'failed'", 1)
            .await?;
        let runs = get(&format!("{}/v1/runs", system.url)).await?;
        let error = runs["items"][0]["error"].as_str().unwrap();
        assert!(error.contains("50"), "{error}");
        Ok(())
    })
    .await
}
